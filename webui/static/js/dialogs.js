// Confirmations as native dialogs: the link's page is fetched as a fragment, its form is sent in place.

import { refreshRegion } from "./live.js";

const HEADERS = { "X-Fragment": "dialog" };

export function startDialogs() {
  const dialog = document.getElementById("dialog");
  let opener = null;

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    opener = link;
    await fill(dialog, await fetch(link.href, { headers: HEADERS }));
    if (!dialog.open) dialog.showModal();
  });

  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  dialog.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-confirm]");
    if (!form) return;
    event.preventDefault();
    form.querySelector("button:not([type=button])").disabled = true;
    const response = await fetch(form.action, {
      method: "POST",
      headers: HEADERS,
      body: new URLSearchParams(new FormData(form)),
    });
    if (response.status === 204) {
      dialog.close();
      finish(response);
    } else {
      await fill(dialog, response);
    }
  });

  dialog.addEventListener("close", () => opener?.isConnected && opener.focus());
}

async function fill(dialog, response) {
  if (response.redirected) {
    location.assign(response.url);
    return;
  }
  dialog.innerHTML = await response.text();
}

function finish(response) {
  const notice = decodeURIComponent(response.headers.get("X-Notice") ?? "");
  const target = response.headers.get("X-Target") ?? location.pathname;
  const region = document.getElementById("region");
  if (region?.dataset.region !== undefined && target === location.pathname) {
    say(notice);
    refreshRegion();
  } else {
    sessionStorage.setItem("notice", notice);
    location.assign(target);
  }
}

export function say(text, kind = "ok") {
  const toast = document.createElement("div");
  toast.className = `toast toast-${kind}`;
  toast.append(document.getElementById(`icon-${kind}`).content.cloneNode(true));
  const words = document.createElement("span");
  words.textContent = text;
  toast.append(words);
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), 6000);
}
