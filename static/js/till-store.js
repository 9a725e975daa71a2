// What the till keeps in the browser under a name. A browser that keeps nothing reads as one where nothing is kept.
"use strict";

// `storageOf` gives the storage when asked, since a browser may refuse to give it.
const tillStore = (storageOf, name) => ({
  read() {
    try {
      return JSON.parse(storageOf().getItem(name));
    } catch {
      return null;
    }
  },

  // Nothing, and an empty list, are forgotten.
  write(value) {
    try {
      if (value === null || value.length === 0) storageOf().removeItem(name);
      else storageOf().setItem(name, JSON.stringify(value));
    } catch {
      // Then it stands in the form alone.
    }
  },
});
