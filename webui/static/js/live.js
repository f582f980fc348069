// Live regions: hints come by event stream, and the region fetches its own fragment again and morphs.
//
// The indicator tells the truth: "live" only while beats arrive, "stale" with its age otherwise.  While paused, or
// while a dialog is open, changes are counted and shown afterwards.

const STALE_AFTER = 12_000;
const FALLBACK_EVERY = 5_000;

export function refreshRegion() {
  const region = document.getElementById("region");
  if (region?.dataset.region !== undefined) region.dispatchEvent(new CustomEvent("refresh"));
}

export function startLive() {
  const indicator = document.getElementById("live");
  const region = document.getElementById("region");
  if (!indicator || !region) return;
  const words = indicator.querySelector("[data-live-text]");
  const pause = document.querySelector("[data-pause]");
  const topics = new Set(region.dataset.region.split(" "));
  const state = { heardAt: 0, held: 0, paused: false, fetchedAt: Date.now() };

  const isHeld = () => state.paused || document.querySelector("dialog[open]") !== null;

  function show() {
    const age = state.heardAt ? Date.now() - state.heardAt : 0;
    if (state.paused) {
      set("paused", state.held ? `paused, ${state.held} ${state.held === 1 ? "change" : "changes"} held` : "paused");
    } else if (!state.heardAt) {
      set("waiting", "connecting");
    } else if (age > STALE_AFTER) {
      set("stale", `stale for ${Math.round(age / 1000)} s, reconnecting`);
    } else {
      set("live", "live");
    }
  }

  function set(name, text) {
    if (indicator.dataset.state !== name) indicator.dataset.state = name;
    if (words.textContent !== text) words.textContent = text;
  }

  function heard() {
    state.heardAt = Date.now();
    show();
  }

  function changed() {
    heard();
    if (isHeld()) {
      state.held += 1;
      show();
    } else {
      state.fetchedAt = Date.now();
      refreshRegion();
    }
  }

  indicator.addEventListener("beat", heard);
  for (const topic of topics) indicator.addEventListener(topic, changed);
  document.addEventListener("htmx:sse:after:connection", heard);

  pause.hidden = false;
  pause.addEventListener("click", () => {
    state.paused = !state.paused;
    pause.setAttribute("aria-pressed", String(state.paused));
    pause.querySelector("span").textContent = state.paused ? "Go on" : "Pause";
    release();
    show();
  });
  document.getElementById("dialog").addEventListener("close", () => setTimeout(release));

  function release() {
    if (!isHeld() && state.held) {
      state.held = 0;
      refreshRegion();
    }
  }

  setInterval(() => {
    show();
    const isStale = indicator.dataset.state === "stale";
    if (isStale && !isHeld() && Date.now() - state.fetchedAt > FALLBACK_EVERY) {
      state.fetchedAt = Date.now();
      refreshRegion();
    }
  }, 1000);
}
