// Without this script every page works as well: it only keeps what is looked at up to date.
"use strict";

(() => {
  const main = document.querySelector("main[data-live]");

  // Make `old` look like `fresh`, and touch nothing that is the same: focus, selection, what is open or typed stay.
  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh.cloneNode(true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    if (old.hasAttribute("data-still")) return;
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const olds = [...old.childNodes], freshes = [...fresh.childNodes];
    for (let at = 0; at < Math.max(olds.length, freshes.length); at++) {
      if (at >= freshes.length) olds[at].remove();
      else if (at >= olds.length) old.append(freshes[at].cloneNode(true));
      else morph(olds[at], freshes[at]);
    }
  }

  function show(html) {
    const parsed = new DOMParser().parseFromString(`<main>${html}</main>`, "text/html").body.firstElementChild;
    for (const attribute of main.attributes) parsed.setAttribute(attribute.name, attribute.value);
    morph(main, parsed);
  }

  // Only a page that is seen listens: browsers open six connections to a server at most.
  let source = null;
  function listen() {
    if (!main || !window.EventSource || source || document.hidden) return;
    source = new EventSource(location.href);
    source.addEventListener("page", (event) => show(JSON.parse(event.data)));
    source.addEventListener("end", () => { close(); main.removeAttribute("data-live"); });
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        if (main.hasAttribute("data-live")) setTimeout(listen, 15000);
      }
    });
  }
  function close() {
    if (source) source.close();
    source = null;
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : main?.hasAttribute("data-live") && listen()));
  listen();
})();
