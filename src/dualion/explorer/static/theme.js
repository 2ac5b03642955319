// Runs before the page is drawn, so that a chosen theme does not flash.
"use strict";
(() => {
  const KEY = "dualion-theme";
  const CHOICES = ["auto", "light", "dark"];
  const read = () => {
    try {
      const kept = localStorage.getItem(KEY);
      return CHOICES.includes(kept) ? kept : "auto";
    } catch {
      return "auto"; // storage may be forbidden
    }
  };
  const apply = (choice) => {
    if (choice === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = choice;
  };
  let choice = read();
  apply(choice);
  const tell = () => document.dispatchEvent(new Event("themechange"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.textContent = `Theme: ${choice}`;
    button.addEventListener("click", () => {
      choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // Then it holds for this page only.
      }
      apply(choice);
      button.textContent = `Theme: ${choice}`;
      tell();
    });
  });
})();
