"use strict";
// Before and after come from the server; between and beyond them the page blends by itself.
const at = (id) => document.getElementById(id);
const PICTURE = /\.(png|jpe?g|tiff?|bmp|npy)$/i;
let entries = []; // {name, file, shown}
let current = null;

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

async function call(path, form) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", body: form });
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  if (answer.ok) return answer;
  const content = await answer.json().catch(() => ({}));
  throw new Error(content.error || `the server failed (${answer.status})`);
}

async function pixels(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

function draw() {
  if (!current?.shown) return;
  const { before, after } = current.shown;
  const strength = Number(at("strength").value);
  const blend = new ImageData(before.width, before.height);
  for (let i = 0; i < blend.data.length; i++) {
    blend.data[i] = before.data[i] + strength * (after.data[i] - before.data[i]); // clamped by its type
  }
  for (const [id, data] of [["before", before], ["after", blend]]) {
    at(id).width = data.width;
    at(id).height = data.height;
    at(id).getContext("2d").putImageData(data, 0, 0);
  }
}

async function show(entry) {
  current = entry;
  for (const item of at("list").querySelectorAll("button")) {
    item.setAttribute("aria-pressed", String(item.entry === entry));
  }
  at("note").textContent = "";
  if (!entry.shown) {
    say(`Refining ${entry.name} …`);
    const form = new FormData();
    form.append("file", entry.file, entry.name);
    try {
      const { before, after, note } = await (await call("/preview", form)).json();
      entry.shown = { before: await pixels(before), after: await pixels(after), note };
    } catch (error) {
      if (current === entry) say(error.message, true);
      return;
    }
  }
  if (current !== entry) return;
  say("");
  at("note").textContent = entry.shown.note;
  draw();
}

function take(files) {
  entries = files.filter((entry) => !entry.name.split("/").some((part) => part.startsWith(".")));
  entries.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const pictures = entries.filter((entry) => PICTURE.test(entry.name));
  at("result").hidden = !pictures.length;
  at("list").replaceChildren();
  if (!pictures.length) return say("There is no picture that can be read among these files.", true);
  for (const entry of pictures.slice(0, 200)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = entry.name;
    button.entry = entry;
    button.addEventListener("click", () => show(entry));
    const item = document.createElement("li");
    item.append(button);
    at("list").append(item);
  }
  at("download").textContent = entries.length > 1 ? `Download all (${entries.length} files)` : "Download";
  show(pictures[0]);
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push({ name: entry.fullPath.replace(/^\/+/, ""), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives some entries at a time, and none at the end.
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const inner of some) await walk(inner, found);
  }
}

async function download() {
  const form = new FormData();
  form.append("strength", at("strength").value);
  for (const entry of entries) form.append("file", entry.file, entry.name);
  at("download").disabled = true;
  say("Refining …");
  try {
    const answer = await call("/refined", form);
    const blob = await answer.blob();
    const named = /filename\*?=(?:UTF-8'')?"?([^";]+)"?/.exec(answer.headers.get("Content-Disposition") || "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = named ? decodeURIComponent(named[1]) : "refined";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    say(`Done: ${link.download}`);
  } catch (error) {
    say(error.message, true);
  } finally {
    at("download").disabled = false;
  }
}

for (const id of ["files", "folder"]) {
  at(id).addEventListener("change", () => {
    take([...at(id).files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
    at(id).value = "";
  });
}
at("strength").addEventListener("input", () => {
  at("value").textContent = Number(at("strength").value).toFixed(2);
  draw();
});
at("download").addEventListener("click", download);
addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", () => at("drop").classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const found = [];
  const roots = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  try {
    for (const root of roots) await walk(root, found);
    take(found);
  } catch (error) {
    say(`not readable: ${error.message}`, true);
  }
});
