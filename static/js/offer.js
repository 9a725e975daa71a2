// A slider beside a number field: both say the same. Without this file there is the number field alone.
"use strict";

(() => {
  for (const box of document.querySelectorAll("[data-range-for]")) {
    const number = document.getElementById(box.dataset.rangeFor);
    const slider = box.querySelector('input[type="range"]');
    if (!number || !slider) continue;
    box.hidden = false;
    slider.addEventListener("input", () => {
      number.value = slider.value;
    });
    number.addEventListener("input", () => {
      if (/^\d+$/.test(number.value.trim())) slider.value = number.value.trim();
    });
  }
})();
