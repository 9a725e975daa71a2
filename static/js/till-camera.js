// A card is read by the camera where the browser can read codes; what it reads is typed into the find field.
"use strict";

(() => {
  const LOOK_MS = 200;
  const input = document.querySelector("input[data-find]");
  const start = document.querySelector("[data-camera-start]");
  const box = document.getElementById("camera");
  if (!input || !start || !box || !("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return;

  const video = box.querySelector("video");
  const status = document.getElementById(input.dataset.status);
  let stream = null;
  let timer = 0;

  const stop = () => {
    clearTimeout(timer);
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
    box.hidden = true;
    start.setAttribute("aria-expanded", "false");
  };

  const read = (code) => {
    stop();
    input.focus();
    input.value = code;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  };

  const look = async (detector) => {
    if (!stream) return;
    const [found] = await detector.detect(video).catch(() => []);
    if (!stream) return;
    const code = found?.rawValue.trim();
    if (code) read(code);
    else timer = setTimeout(look, LOOK_MS, detector);
  };

  start.hidden = false;
  start.addEventListener("click", async () => {
    if (stream) {
      stop();
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      box.hidden = false;
      start.setAttribute("aria-expanded", "true");
      video.srcObject = stream;
      video.play().catch(() => {});
      look(new BarcodeDetector());
    } catch {
      stop();
      status.textContent = box.dataset.cameraRefused;
    }
  });
  const close = () => {
    stop();
    input.focus();
  };
  box.querySelector("[data-camera-stop]").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !stream) return;
    event.preventDefault();
    close();
  }, { capture: true });
  window.addEventListener("pagehide", stop);
})();
