// What is typed for a visit stays typed while another button or link of its page is used: points used for a reward, a
// problem told, another language. It is kept in this tab until the next page of the till, and forgotten by any but its own.
"use strict";

(() => {
  const OLDEST_MS = 15 * 60 * 1_000;
  const NOT_TYPED = new Set(["csrfmiddlewaretoken", "idempotency_key"]);
  const { read, write } = tillStore(() => sessionStorage, "till-draft");

  const place = document.querySelector("[data-till-person]")?.dataset ?? {};
  const form = document.querySelector("form[data-keep-entry]");
  const pageOf = (visit) => new URL(visit.action).pathname.replace(/save\/$/, "");
  const fieldsOf = (visit) => [...visit.elements].filter((field) => field.name && !NOT_TYPED.has(field.name));
  const isChoice = (field) => field.type === "checkbox" || field.type === "radio";
  const valueOf = (field) => (isChoice(field) ? field.checked : field.value);
  const isTyped = (field) =>
    isChoice(field) ? field.checked !== field.defaultChecked : field.value !== (field.defaultValue ?? "");

  // A field is known by its name, a choice by its value too, and one of several of a name by its turn.
  const named = (fields) => {
    const turns = new Map();
    return fields.map((field) => {
      const name = isChoice(field) ? `${field.name}=${field.value}` : field.name;
      turns.set(name, (turns.get(name) ?? 0) + 1);
      return [`${name} ${turns.get(name)}`, field];
    });
  };

  const restore = (draft) => {
    for (const [name, field] of named(fieldsOf(form))) {
      if (!(name in draft.typed)) continue;
      if (isChoice(field)) field.checked = draft.typed[name];
      else field.value = draft.typed[name];
      const folded = field.closest("details");
      if (folded && isTyped(field)) folded.open = true;
    }
    // Once what fetches the points listens.
    document.addEventListener("DOMContentLoaded", () =>
      form.elements.amount.dispatchEvent(new Event("input", { bubbles: true })),
    );
  };

  const draft = read();
  const isOurs = draft?.person === place.tillPerson && draft?.store === place.tillStore;
  const isNew = draft && Date.now() - draft.at < OLDEST_MS;
  if (!draft || !isOurs || !isNew || !location.pathname.startsWith(draft.page)) write(null);
  else if (form && location.pathname === draft.page) restore(draft);
  if (!form) return;

  // The points of what is typed follow the balance.
  document.addEventListener("refreshed", () =>
    form.elements.amount?.dispatchEvent(new Event("input", { bubbles: true })),
  );

  // What was sent is no draft: whether it arrived is another's question (till-forms.js). A refused form is one.
  window.addEventListener("pagehide", () => {
    const fields = fieldsOf(form);
    const isDraft = !("tried" in form.dataset) && (location.pathname !== pageOf(form) || fields.some(isTyped));
    const typed = Object.fromEntries(named(fields).map(([name, field]) => [name, valueOf(field)]));
    write(isDraft ? { page: pageOf(form), typed, person: place.tillPerson, store: place.tillStore, at: Date.now() } : null);
  });
})();
