// Small comforts: searching while typing, copying, hot keys, notices that go away, ages that stay true.

import { say } from "./dialogs.js";

const TYPING_PAUSE = 250;
const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
];

export function startSmallThings() {
  for (const form of document.querySelectorAll("form[data-search]")) searchWhileTyping(form);
  document.addEventListener("click", copy);
  document.addEventListener("keydown", hotKey);
  showCopyButtons();
  document.addEventListener("htmx:after:swap", showCopyButtons);
  for (const toast of document.querySelectorAll("[data-toast]")) setTimeout(() => toast.remove(), 6000);
  document.querySelector('[aria-invalid="true"]')?.focus();
  const notice = sessionStorage.getItem("notice");
  if (notice) {
    sessionStorage.removeItem("notice");
    say(notice);
  }
  setInterval(keepAgesTrue, 5000);
}

function searchWhileTyping(form) {
  const region = document.getElementById(form.dataset.search);
  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
      const address = query.size ? `${form.getAttribute("action")}?${query}` : form.getAttribute("action");
      history.replaceState(null, "", address);
      region.setAttribute("hx-get", address);
      region.dispatchEvent(new CustomEvent("refresh"));
    }, TYPING_PAUSE);
  });
}

function showCopyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

async function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  say("Copied.");
}

function hotKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "/") {
    const input = document.querySelector('[data-hotkey="/"]');
    if (input) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  } else if (event.key === "p") {
    document.querySelector("[data-pause]")?.click();
  }
}

function keepAgesTrue() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time[data-ago]")) {
    put(time, inOneUnit(Math.max(0, Math.floor((now - Date.parse(time.dateTime)) / 1000))));
  }
  for (const time of document.querySelectorAll("time[data-left]")) {
    const seconds = Math.floor((Date.parse(time.dateTime) - now) / 1000);
    put(time, seconds > 0 ? `${inOneUnit(seconds)} left` : "expiring");
  }
}

function inOneUnit(seconds) {
  const [unit, length] = UNITS.find(([, size]) => seconds >= size) ?? ["s", 1];
  return `${Math.floor(seconds / length)} ${unit}`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
