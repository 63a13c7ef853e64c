"use strict";
document.documentElement.classList.add("js");
const find = (id) => document.getElementById(id);

if (find("compare")) {
  const rows = [...document.querySelectorAll("#strip tbody tr")].map((row) => ({
    synthetic: row.querySelector("[data-kind=synthetic]").src,
    refined: [...row.querySelectorAll("[data-kind=refined]")].map((image) => image.src),
    real: row.querySelector("[data-kind=real]").src,
  }));
  const steps = [...document.querySelectorAll("#strip thead th")].slice(1, -1);
  let row = 0;

  const show = () => {
    const moment = find("moment") ? Number(find("moment").value) : rows[row].refined.length - 1;
    find("before").src = rows[row].synthetic;
    find("before").alt = `Example ${row + 1}, synthetic`;
    find("after").src = rows[row].refined[moment];
    find("after").alt = `Example ${row + 1}, refined`;
    find("real").src = rows[row].real;
    if (find("moment")) find("moment-name").textContent = steps[moment].textContent.replace("step ", "");
    for (const drawing of document.querySelectorAll(".drawing")) {
      const on = find("labels").checked && Number(drawing.dataset.row) === row;
      drawing.toggleAttribute("hidden", !on);
    }
    for (const button of document.querySelectorAll(".thumbs button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.row) === row));
    }
  };
  const cut = (percent) => {
    const value = Math.min(100, Math.max(0, percent));
    find("cut").value = value;
    find("compare").style.setProperty("--cut", `${value}%`);
  };

  find("cut").addEventListener("input", (event) => cut(Number(event.target.value)));
  for (const id of ["moment", "labels"]) find(id)?.addEventListener("input", show);
  for (const button of document.querySelectorAll(".thumbs button")) {
    button.addEventListener("click", () => { row = Number(button.dataset.row); show(); });
  }
  const stage = find("stage");
  const drag = (event) => {
    const box = stage.getBoundingClientRect();
    cut(100 * (event.clientX - box.left) / box.width);
  };
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); });
  stage.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  show();
}

find("heat-strength")?.addEventListener("input", (event) => {
  for (const row of document.querySelectorAll(".heats")) row.style.setProperty("--strength", event.target.value / 100);
});
