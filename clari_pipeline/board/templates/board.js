"use strict";
// Which view is shown, and its charts. All figures are in the page already; the address holds what is looked at.
(function () {
  const names = ["quarter", "forecast", "field"];
  const everyRole = "All roles";
  const views = Array.from(document.querySelectorAll("article.view"));
  const { charts, barHeight, views: rows } = JSON.parse(document.getElementById("rows").textContent);
  const selects = Object.fromEntries([...names, "role"].map((name) => [name, document.getElementById(name)]));
  const said = document.getElementById("said");

  const valuesOf = (view, name) => view.dataset[name];
  const rolesOf = (view) =>
    Array.from(new Set(Array.from(view.querySelectorAll("[data-role]"), (row) => row.dataset.role)))
      .filter((role) => role !== "")
      .sort((one, other) => one.localeCompare(other));

  function offer(select, values, chosen) {
    const options = values.map((value) => {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = value;
      return option;
    });
    select.replaceChildren(...options);
    select.value = chosen;
  }

  // The view that has what was chosen last, and most of the rest.
  function find(wanted, first) {
    const score = (view) =>
      names.reduce((sum, name) => sum + (valuesOf(view, name) === wanted[name] ? (name === first ? 100 : 1) : 0), 0);
    return views.reduce((best, view) => (score(view) > score(best) ? view : best), views[0]);
  }

  function draw(view) {
    view.querySelectorAll(".chart:empty").forEach((place) => {
      const kind = place.dataset.chart;
      const drawn = rows[Number(place.dataset.view)][kind];
      const spec = Object.assign({ height: drawn.length * barHeight }, charts[kind], { datasets: { rows: drawn } });
      vegaEmbed(place, spec, { actions: false, ast: true, renderer: "svg", defaultStyle: false, tooltip: false }).catch(
        (error) => console.error(error)
      );
    });
  }

  function show(view, role, aloud) {
    views.forEach((other) => (other.hidden = other !== view));
    names.forEach((name) => {
      const values = Array.from(new Set(views.map((other) => valuesOf(other, name))));
      offer(selects[name], values, valuesOf(view, name));
    });
    const roles = rolesOf(view);
    const chosen = roles.includes(role) ? role : everyRole;
    offer(selects.role, [everyRole, ...roles], chosen);
    let people = 0;
    view.querySelectorAll("[data-role]").forEach((row) => {
      row.hidden = chosen !== everyRole && row.dataset.role !== chosen;
      if (!row.hidden && row.dataset.user !== undefined) people += 1;
    });
    view.querySelectorAll("[data-none]").forEach((line) => {
      line.hidden = line.parentElement.querySelector("[data-role]:not([hidden])") !== null;
    });
    draw(view);
    const state = new URLSearchParams(names.map((name) => [name, valuesOf(view, name)]));
    if (chosen !== everyRole) state.set("role", chosen);
    history.replaceState(null, "", "#" + state.toString());
    if (aloud) {
      const of = names.map((name) => valuesOf(view, name)).join(", ");
      const { people: all, listed } = view.dataset;
      const among = all === listed ? "" : `, among the ${listed} largest calls of ${all} people`;
      said.textContent = `${of}: ${people} ${people === 1 ? "person" : "people"}${chosen === everyRole ? "" : ", " + chosen}${among}.`;
    }
  }

  function read() {
    const state = new URLSearchParams(location.hash.slice(1));
    const wanted = Object.fromEntries(names.map((name) => [name, state.get(name)]));
    show(find(wanted, "quarter"), state.get("role"), false);
  }

  document.querySelector("form.filters").hidden = false;
  Object.entries(selects).forEach(([name, select]) => {
    select.addEventListener("change", () => {
      const wanted = Object.fromEntries(names.map((other) => [other, selects[other].value]));
      show(find(wanted, name), selects.role.value, true);
    });
  });
  // On paper nobody can open them.
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll("details:not([open])").forEach((details) => {
      details.open = details.dataset.printed = true;
    })
  );
  window.addEventListener("afterprint", () =>
    document.querySelectorAll("details[data-printed]").forEach((details) => {
      details.open = false;
      delete details.dataset.printed;
    })
  );
  window.addEventListener("hashchange", () => (location.hash === "#main" ? undefined : read()));
  read();
})();
