"use strict";

/* Making elements. Whatever comes from elsewhere becomes text, never markup. */

function make(tag, facts = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (name === "kind") made.className = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter(child => child !== null));
  return made;
}

/* Draws a part anew only when what it shows has changed: a text that is being selected or read stays. */
function fill(place, facts, draw) {
  const drawn = JSON.stringify(facts);
  if (place.drawn === drawn) return;
  place.drawn = drawn;
  place.replaceChildren(...[draw(facts)].flat().filter(child => child !== null));
}

function pill(text, title) {
  return make("span", { kind: "pill is-" + text, text, title });
}

function percent(share) {
  return share.toLocaleString("en", { maximumFractionDigits: 2 }) + " %";
}

function count(number, one, more = one + "s") {
  return number.toLocaleString("en") + " " + (number === 1 ? one : more);
}

function lasting(seconds) {
  if (seconds > 0 && seconds < 1) return seconds.toFixed(1) + " s";
  const s = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([number]) => number > 0).map(part => part.join(" ")).join(" ");
}

function clock(at) {
  const moment = new Date(at);
  const text = Number.isNaN(moment.getTime()) ? "" : moment.toLocaleTimeString([], { hour12: false });
  return make("time", { datetime: at, title: at, text });
}

/* A moment that comes, told in seconds from now: they are counted down here, between two looks at the controller. */
function countdown(secondsLeft, readAtMs) {
  const made = make("span", { kind: "countdown" });
  made.dataset.until = String(readAtMs + secondsLeft * 1000);
  tick(made);
  return made;
}

function tick(counter) {
  counter.textContent = lasting((Number(counter.dataset.until) - performance.now()) / 1000);
}

setInterval(() => document.querySelectorAll(".countdown").forEach(tick), 1000);
