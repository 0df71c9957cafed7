// Dropping or pasting pictures anywhere on the page: they go into the form that is there without this, too.
"use strict";
(() => {
  const form = document.getElementById("drop");
  if (!form) return;
  document.documentElement.classList.add("scripted");
  const input = form.querySelector("input[type=file]");
  const busy = form.querySelector(".busy");

  const take = (files) => {
    const pictures = [...files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) {
      busy.textContent = "That is no picture.";
      form.scrollIntoView({ block: "nearest" });
      return;
    }
    const all = new DataTransfer();
    pictures.slice(0, 4).forEach((picture) => all.items.add(picture));
    input.files = all.files;
    form.requestSubmit();
  };

  let inside = 0;
  const mark = () => document.documentElement.classList.toggle("dropping", inside > 0);
  const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  addEventListener("dragenter", (event) => { if (holdsFiles(event)) { inside += 1; mark(); } });
  addEventListener("dragleave", (event) => { if (holdsFiles(event)) { inside = Math.max(0, inside - 1); mark(); } });
  addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    inside = 0;
    mark();
    take(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length) {
      event.preventDefault();
      take(event.clipboardData.files);
    }
  });

  form.addEventListener("submit", () => { busy.textContent = "Reading …"; form.classList.add("sending"); });
  // Back from the answer, the browser may show the page as it was left.
  addEventListener("pageshow", () => { busy.textContent = ""; form.classList.remove("sending"); });
})();
