// While a fresh draft is on its way someone may go on typing: what they typed stays.
"use strict";

(() => {
  let sent = null;
  const words = () => document.getElementById("id_words");
  const plain = (text) => text.replace(/\r\n/g, "\n");

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.path.endsWith("/draft/")) sent = words()?.value ?? null;
  });

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const typed = words();
    if (event.detail.target.id !== "answer-words" || sent === null || !typed) return;
    if (plain(typed.value) !== plain(sent)) event.detail.shouldSwap = false;
  });
})();
