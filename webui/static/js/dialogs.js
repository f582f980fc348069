// Confirmations as native dialogs: the link's page is fetched as a fragment, its form is sent in place.

import { refreshRegion } from "./live.js";

const HEADERS = { "X-Fragment": "dialog" };
const OFFLINE = "<h2>This page cannot reach the server</h2><div class='card-body'><p>Try again in a moment.</p></div>";

export function startDialogs() {
  const dialog = document.getElementById("dialog");
  let opener = null;

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    opener = link;
    let response;
    try {
      response = await fetch(link.href, { headers: HEADERS });
    } catch {
      say("This page cannot reach the server. Try again in a moment.", "problem");
      return;
    }
    await fill(dialog, response);
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
    const body = new URLSearchParams(new FormData(form));
    const ready = wait(form);
    let response;
    try {
      response = await fetch(form.action, { method: "POST", headers: HEADERS, body });
    } catch {
      ready();
      blame(form, OFFLINE);
      return;
    }
    if (response.status === 204) {
      dialog.close();
      finish(response);
    } else if (response.redirected || response.status === 404) {
      await fill(dialog, response);
    } else {
      ready();
      blame(form, await response.text());
    }
  });

  dialog.addEventListener("close", () => opener?.isConnected && opener.focus());
}

// While the answer is awaited nothing can be taken back: there is only the one button, and it says what goes on.
function wait(form) {
  const button = form.querySelector("button:not([type=button])");
  const keep = form.querySelector("[data-close]");
  const words = button.textContent;
  button.disabled = true;
  button.textContent = button.dataset.busy ?? words;
  form.setAttribute("aria-busy", "true");
  keep.hidden = true;
  return () => {
    button.disabled = false;
    button.textContent = words;
    form.removeAttribute("aria-busy");
    keep.hidden = false;
  };
}

// Says above the form what went wrong; what was typed stays.
function blame(form, html) {
  form.querySelector(".banner")?.remove();
  const told = document.createElement("div");
  told.innerHTML = html;
  const banner = document.createElement("div");
  banner.className = "banner banner-danger";
  banner.role = "alert";
  banner.append(document.getElementById("icon-problem").content.cloneNode(true));
  const words = document.createElement("div");
  const title = document.createElement("strong");
  title.textContent = told.querySelector("h2")?.textContent ?? "";
  words.append(title, ...(told.querySelector(".card-body")?.childNodes ?? []));
  banner.append(words);
  form.querySelector(".card-body").prepend(banner);
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
