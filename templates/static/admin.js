// The admin's one script. Every page does its work without it; it makes some things quicker. What each attribute does is in
// templates/README.md. No eval, no inline style, no other origin: the policy of the pages forbids them.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
};
const icon = (name) => {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'use'));
  const sprite = $('svg.icon use')?.getAttribute('href')?.split('#')[0] ?? '/admin/static/icons.svg';
  svg.firstChild.setAttribute('href', `${sprite}#${name}`);
  return svg;
};
const remember = (key, value) => {
  try {
    if (value === undefined) return localStorage.getItem(`automate.${key}`);
    localStorage.setItem(`automate.${key}`, value);
  } catch { /* Storage may be switched off; nothing depends on it. */ }
  return null;
};
const later = (wait, deed) => {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => deed(...given), wait);
  };
};
let ids = 0;
const fresh = (word) => `js-${word}-${++ids}`;

// Times

const spans = [[60, 1, 's'], [3600, 60, 'min'], [172800, 3600, 'h'], [2592000, 86400, 'days']];
function inWords(then, now) {
  const seconds = Math.round((then - now) / 1000);
  const far = Math.abs(seconds);
  if (far < 5) return 'just now';
  const span = spans.find(([limit]) => far < limit);
  if (!span) return null;
  const text = `${Math.floor(far / span[1])} ${span[2]}`;
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}
function tell(time) {
  const then = Date.parse(time.dateTime);
  if (Number.isNaN(then)) return;
  if (!time.title) time.title = time.textContent.trim();
  const text = inWords(then, Date.now()) ?? time.title;
  if (time.textContent !== text) time.textContent = text;
}
setInterval(() => document.hidden || $$('time[data-relative]').forEach(tell), 10000);

// The region that is read aloud

function say(text, seen = true) {
  const region = $('[data-status]');
  if (!region || !text) return;
  const toast = make('div', { class: seen ? 'toast' : 'sr' }, text);
  region.append(toast);
  setTimeout(() => toast.remove(), 8000);
}

// Replacing a part of the page: what is the same stays, and with it focus, selection, scrolling and what was opened.

const kept = { DETAILS: ['open'], DIALOG: ['open'], INPUT: ['value', 'checked'], OPTION: ['selected'] };
function morph(old, next) {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName || (old.id && next.id && old.id !== next.id)) {
    old.replaceWith(next);
    return next;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return old;
  }
  if (old.matches('time[data-relative]') && old.getAttribute('datetime') === next.getAttribute('datetime')) return old;
  const keep = kept[old.tagName] ?? [];
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && !keep.includes(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value && !keep.includes(name)) old.setAttribute(name, value);
  if (old.tagName === 'TEXTAREA') return old;
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = old.firstChild;
  for (const child of [...next.childNodes]) {
    const same = child.id ? known.get(child.id) : at && !(at.id && known.has(at.id) && at.nodeType === 1) ? at : null;
    if (same) {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      morph(same, child);
    } else {
      old.insertBefore(child, at);
      if (child.nodeType === 1) child.classList.add('is-new');
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
  return old;
}
function replaceBy(id, html) {
  const old = document.getElementById(id);
  const parsed = make('template');
  parsed.innerHTML = html;
  const next = parsed.content.firstElementChild;
  if (!old || !next) return;
  const focused = document.activeElement;
  const back = focused?.id;
  morph(old, next);
  if (back && document.activeElement !== focused) document.getElementById(back)?.focus({ preventScroll: true });
}
const parsePage = (text) => new DOMParser().parseFromString(text, 'text/html');

// Live: one stream a page, which can be paused and stops by itself while nobody looks.

function live(holder) {
  const slot = $('[data-live-slot]') ?? holder.parentElement.insertBefore(make('div', { class: 'live' }), holder);
  const word = make('span');
  const button = make('button', { type: 'button', class: 'btn text small', 'aria-pressed': 'false' }, 'Pause');
  button.setAttribute('aria-label', 'Pause live updates');
  slot.append(make('span', { class: 'live-dot', 'aria-hidden': 'true' }), word, button);
  let source = null;
  let last = null;
  let paused = remember('live') === 'paused';
  let done = false;
  let wait = 1000;
  let retry;
  let heard = -Infinity;
  let waiting = null;
  const show = (state, text) => {
    slot.dataset.state = state;
    word.textContent = text;
    button.hidden = done;
    button.textContent = paused ? 'Resume' : 'Pause';
    button.setAttribute('aria-label', paused ? 'Resume live updates' : 'Pause live updates');
    button.setAttribute('aria-pressed', String(paused));
  };
  const close = () => {
    clearTimeout(retry);
    source?.close();
    source = null;
  };
  const notice = (text) => {
    waiting = text;
    const due = heard + 10000 - performance.now();
    if (due > 0 && heard > 0) return;
    const speak = () => {
      if (waiting) say(waiting);
      if (waiting) heard = performance.now();
      waiting = null;
    };
    speak();
    setTimeout(speak, 10000);
  };
  const fetchAgain = later(300, async (wanted) => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' } });
      if (!answer.ok) return;
      const page = parsePage(await answer.text());
      for (const id of wanted?.length ? wanted : ['main']) {
        const part = page.getElementById(id);
        if (part) replaceBy(id, part.outerHTML);
      }
    } catch { /* The stream says when the server is away. */ }
  });
  function open() {
    if (source || done || paused || document.hidden) return;
    const url = new URL(holder.dataset.live, location.href);
    if (last) url.searchParams.set('last_event_id', last);
    source = new EventSource(url);
    const on = (name, deed) => source.addEventListener(name, (event) => {
      if (event.lastEventId) last = event.lastEventId;
      let data = {};
      try {
        data = JSON.parse(event.data || '{}');
      } catch { return; }
      deed(data);
    });
    source.onopen = () => {
      wait = 1000;
      show('on', 'Live');
    };
    source.onerror = () => {
      show('lost', 'Reconnecting…');
      if (source?.readyState !== EventSource.CLOSED) return;
      close();
      retry = setTimeout(open, wait);
      wait = Math.min(wait * 2, 30000);
    };
    on('fragment', ({ id, html }) => replaceBy(id, html));
    on('refresh', ({ ids: wanted }) => fetchAgain(wanted));
    on('notice', ({ text }) => notice(text));
    on('done', () => {
      done = true;
      close();
      show('off', 'Finished');
    });
  }
  button.addEventListener('click', () => {
    paused = !paused;
    remember('live', paused ? 'paused' : 'on');
    if (paused) close();
    show(paused ? 'paused' : 'on', paused ? 'Paused' : 'Live');
    open();
  });
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', (event) => event.persisted && open());
  show(paused ? 'paused' : 'lost', paused ? 'Paused' : 'Connecting…');
  open();
}

// Tables

function selection(table) {
  const all = $('input[data-select-all]', table);
  const boxes = () => $$('td.select input[type=checkbox]', table);
  let anchor = null;
  const count = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
    const scope = table.closest('form') ?? document;
    // A number stands in a sentence of the page; an empty place wants the sentence.
    for (const place of $$('[data-selected-count]', scope)) place.textContent = /^\d+$/.test(place.textContent) ? String(chosen) : chosen ? `${chosen} selected` : 'None selected';
  };
  table.addEventListener('click', (event) => {
    const box = event.target.closest?.('td.select input[type=checkbox]');
    if (!box) return;
    const list = boxes();
    if (event.shiftKey && anchor) {
      const [from, to] = [list.indexOf(anchor), list.indexOf(box)].sort((a, b) => a - b);
      list.slice(Math.max(from, 0), to + 1).forEach((each) => { each.checked = box.checked; });
    }
    anchor = box;
  });
  table.addEventListener('change', (event) => {
    if (event.target === all) boxes().forEach((box) => { box.checked = all.checked; });
    count();
  });
  count();
}

// A choice among many: a combobox over a select, which keeps the value that is sent

function autocomplete(select) {
  const list = make('ul', { class: 'combo-list', role: 'listbox', id: fresh('list'), hidden: '' });
  const input = make('input', {
    type: 'text', role: 'combobox', autocomplete: 'off', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': list.id,
    'aria-describedby': select.getAttribute('aria-describedby'), 'aria-invalid': select.getAttribute('aria-invalid'),
    'aria-label': select.getAttribute('aria-label'), placeholder: select.dataset.placeholder ?? 'Type to search',
  });
  const label = select.labels?.[0];
  list.setAttribute('aria-label', label?.textContent.trim() || input.getAttribute('aria-label') || 'Choices');
  const chips = make('ul', { class: 'chips' });
  const box = make('div', { class: 'combo' }, ...(select.multiple ? [chips] : []), input, list);
  input.id = select.id;
  input.required = select.required && !select.multiple;
  select.required = false;
  if (select.id) select.id += '-value';
  select.hidden = true;
  select.before(box);
  let active = -1;
  let next = null;
  let asked = null;
  const options = () => $$('li[role=option]', list);
  const chosen = () => [...select.selectedOptions].filter((option) => option.value !== '');
  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const settle = () => {
    if (!select.multiple) input.value = chosen()[0]?.text.trim() ?? '';
    else {
      input.value = '';
      chips.replaceChildren(...chosen().map((option) => {
        const remove = make('button', { type: 'button', class: 'chip-remove', 'aria-label': `Remove ${option.text}` }, icon('close'));
        remove.addEventListener('click', () => {
          option.selected = false;
          changed();
          input.focus();
        });
        return make('li', { class: 'chip' }, option.text, remove);
      }));
    }
  };
  const changed = () => {
    settle();
    select.dispatchEvent(new Event('change', { bubbles: true }));
  };
  const choose = (item) => {
    const value = item.dataset.value;
    let option = [...select.options].find((each) => each.value === value);
    if (!option) {
      option = new Option(item.textContent, value);
      select.add(option);
    }
    option.selected = true;
    changed();
    close();
  };
  const move = (to) => {
    const all = options();
    if (!all.length) return;
    active = (to + all.length) % all.length;
    all.forEach((item, at) => item.setAttribute('aria-selected', String(at === active)));
    input.setAttribute('aria-activedescendant', all[active].id);
    all[active].scrollIntoView({ block: 'nearest' });
    if (active === all.length - 1 && next) ask(next);
  };
  async function ask(page) {
    asked?.abort();
    const mine = asked = new AbortController();
    const url = new URL(select.dataset.autocomplete, location.href);
    url.searchParams.set('q', chosen().length && input.value === chosen()[0].text.trim() && !select.multiple ? '' : input.value.trim());
    if (page) url.searchParams.set('page', page);
    let found;
    try {
      const answer = await fetch(url, { headers: { Accept: 'application/json' }, signal: mine.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      found = await answer.json();
    } catch (error) {
      if (error.name === 'AbortError') return;
      found = { results: [], note: 'The choices could not be fetched. Try again.' };
    }
    next = found.next ?? null;
    if (!page) list.replaceChildren();
    for (const { id, text } of found.results) list.append(make('li', { role: 'option', id: fresh('option'), 'aria-selected': 'false', 'data-value': id }, text));
    $('.combo-note', list)?.remove();
    if (!options().length) list.append(make('li', { class: 'combo-note', role: 'option', 'aria-disabled': 'true' }, found.note ?? 'Nothing matches'));
    $$('.combo-note', list).forEach((note) => note.setAttribute('aria-selected', 'false'));
    list.hidden = document.activeElement !== input;
    input.setAttribute('aria-expanded', String(!list.hidden));
  }
  const typed = later(150, () => ask());
  input.addEventListener('input', () => {
    if (!select.multiple && input.value === '') {
      chosen().forEach((option) => { option.selected = false; });
      if ([...select.options].some((option) => option.value === '')) select.value = '';
      select.dispatchEvent(new Event('change', { bubbles: true }));
    }
    typed();
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (list.hidden) ask();
      else move(active + (event.key === 'ArrowDown' ? 1 : -1));
    } else if (event.key === 'Enter' && !list.hidden) {
      event.preventDefault();
      const item = options()[active];
      if (item?.dataset.value !== undefined) choose(item);
    } else if (event.key === 'Escape' && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (event.key === 'Backspace' && select.multiple && input.value === '' && chosen().length) {
      chosen().at(-1).selected = false;
      changed();
    }
  });
  input.addEventListener('click', () => list.hidden && ask());
  input.addEventListener('blur', () => setTimeout(() => { close(); settle(); }, 150));
  list.addEventListener('pointerdown', (event) => event.preventDefault());
  list.addEventListener('click', (event) => {
    const item = event.target.closest('li[data-value]');
    if (item) choose(item);
  });
  list.addEventListener('scroll', () => next && list.scrollTop + list.clientHeight > list.scrollHeight - 40 && ask(next));
  settle();
}

// The command palette

function palette(dialog) {
  const list = make('ul', { class: 'palette-list', role: 'listbox', id: fresh('palette'), 'aria-label': 'Results' });
  const input = make('input', { type: 'search', role: 'combobox', 'aria-label': 'Go to', 'aria-expanded': 'true', 'aria-controls': list.id, 'aria-autocomplete': 'list', autocomplete: 'off', placeholder: 'Go to a page, a workflow, an execution…' });
  const note = make('p', { class: 'meta', role: 'status' });
  dialog.replaceChildren(input, list, note);
  let at = 0;
  let asked = null;
  const items = () => [...list.children];
  const point = (to) => {
    const all = items();
    if (!all.length) return input.removeAttribute('aria-activedescendant');
    at = (to + all.length) % all.length;
    all.forEach((item, index) => item.setAttribute('aria-selected', String(index === at)));
    input.setAttribute('aria-activedescendant', all[at].id);
    all[at].scrollIntoView({ block: 'nearest' });
    return null;
  };
  async function ask() {
    asked?.abort();
    const mine = asked = new AbortController();
    const url = new URL(dialog.dataset.palette, location.href);
    url.searchParams.set('q', input.value.trim());
    try {
      const answer = await fetch(url, { headers: { Accept: 'application/json' }, signal: mine.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const { results } = await answer.json();
      list.replaceChildren(...results.map(({ title, kind, url: to }) => make('li', { role: 'option', id: fresh('hit'), 'data-url': to, 'aria-selected': 'false' }, title, make('span', { class: 'meta' }, kind ?? ''))));
      note.textContent = results.length ? `${results.length} found` : 'Nothing matches';
      point(0);
    } catch (error) {
      if (error.name !== 'AbortError') note.textContent = 'The search could not be done. Try again.';
    }
  }
  const go = (item) => item && location.assign(new URL(item.dataset.url, location.href));
  input.addEventListener('input', later(120, ask));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      point(at + (event.key === 'ArrowDown' ? 1 : -1));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      go(items()[at]);
    }
  });
  list.addEventListener('click', (event) => go(event.target.closest('li')));
  dialog.addEventListener('open-palette', () => {
    input.value = '';
    ask();
    dialog.showModal();
    input.focus();
  });
}

// Text that is checked while it is written, with line numbers

function check(area) {
  const form = area.form;
  const into = area.dataset.checkInto ?? 'check-result';
  let asked = null;
  let told = null;
  const ask = later(400, async () => {
    asked?.abort();
    const mine = asked = new AbortController();
    const place = document.getElementById(into);
    place?.setAttribute('aria-busy', 'true');
    try {
      const body = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === 'string'));
      const answer = await fetch(area.dataset.check, { method: 'POST', body, headers: { Accept: 'text/html', 'X-Requested-With': 'fetch' }, signal: mine.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      replaceBy(into, await answer.text());
    } catch (error) {
      if (error.name === 'AbortError') return;
      say('The text could not be checked. Saving checks it again.');
    }
    const now = document.getElementById(into);
    now?.removeAttribute('aria-busy');
    const summary = $('[data-check-summary]', now ?? document)?.textContent.trim();
    if (summary && summary !== told) say(summary, false);
    told = summary;
    area.dispatchEvent(new Event('checked'));
  });
  area.addEventListener('input', ask);
}
function editor(area) {
  const gutter = make('div', { class: 'gutter', 'aria-hidden': 'true' });
  const box = make('div', { class: 'editor' }, gutter);
  area.before(box);
  box.append(area);
  const id = fresh('tab');
  const insert = make('input', { type: 'checkbox', id });
  insert.checked = remember('tab') === 'on';
  insert.addEventListener('change', () => remember('tab', insert.checked ? 'on' : 'off'));
  box.after(make('div', { class: 'editor-note' }, make('label', { for: id }, insert, 'Tab inserts two spaces'), make('span', {}, 'then Escape and Tab leave the text')));
  const number = () => {
    const wrong = new Set($$('[data-line]').map((mark) => Number(mark.dataset.line)));
    const lines = area.value.split('\n').length;
    gutter.textContent = Array.from({ length: lines }, (_, line) => (wrong.has(line + 1) ? `✕ ${line + 1}` : String(line + 1))).join('\n');
    gutter.scrollTop = area.scrollTop;
  };
  let leaving = false;
  area.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      leaving = true;
    } else if (event.key === 'Tab' && insert.checked && !leaving && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      if (!event.shiftKey) return put(area, '  ');
      const start = area.value.lastIndexOf('\n', area.selectionStart - 1) + 1;
      const spaces = /^ {1,2}/.exec(area.value.slice(start))?.[0].length ?? 0;
      const at = area.selectionStart;
      if (spaces) area.setRangeText('', start, start + spaces, 'preserve');
      if (spaces) area.setSelectionRange(Math.max(start, at - spaces), Math.max(start, at - spaces));
      area.dispatchEvent(new Event('input', { bubbles: true }));
    } else if (event.key !== 'Shift' && event.key !== 'Tab') {
      leaving = false;
    }
    return null;
  });
  area.addEventListener('blur', () => { leaving = false; });
  area.addEventListener('input', number);
  area.addEventListener('checked', number);
  area.addEventListener('scroll', () => { gutter.scrollTop = area.scrollTop; });
  new ResizeObserver(() => { gutter.style.blockSize = `${area.offsetHeight}px`; }).observe(area);
  number();
}
function put(area, text) {
  // So that it can be undone; `setRangeText` where the browser no longer has the command.
  if (!document.execCommand?.('insertText', false, text)) {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, 'end');
    area.dispatchEvent(new Event('input', { bubbles: true }));
  }
}

// Forms

const written = (form) => JSON.stringify([...new FormData(form)].map(([name, value]) => [name, typeof value === 'string' ? value : value.name]));
function guard(form) {
  const before = written(form);
  let leaving = false;
  form.addEventListener('submit', () => { leaving = true; });
  addEventListener('pageshow', () => { leaving = false; });
  addEventListener('beforeunload', (event) => !leaving && form.isConnected && written(form) !== before && event.preventDefault());
}
function formset(set) {
  const empty = $('template[data-formset-empty]', set);
  const button = $('button[name=_addrow]', set);
  const named = (word) => $(`input[name="${set.dataset.formset}-${word}"]`, set);
  const total = named('TOTAL_FORMS');
  if (!empty || !button || !total) return;
  button.addEventListener('click', (event) => {
    const most = Number(named('MAX_NUM_FORMS')?.value || Infinity);
    event.preventDefault();
    if (Number(total.value) >= most) return say(`At most ${most} rows`);
    const row = make('template');
    row.innerHTML = empty.innerHTML.replaceAll('__prefix__', total.value);
    total.value = String(Number(total.value) + 1);
    const added = row.content.firstElementChild;
    const last = $$('.formset-row', set).at(-1);
    if (last) last.after(added);
    else if ($('tbody', set)) $('tbody', set).append(added);
    else empty.before(added);
    $('input:not([type=hidden]), select, textarea', added)?.focus();
    return null;
  });
}
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post' || event.defaultPrevented) return;
  if (form.dataset.sending) return event.preventDefault();
  // A download leaves the page in place, so the form opens again.
  form.dataset.sending = 'yes';
  event.submitter?.setAttribute('aria-busy', 'true');
  setTimeout(() => release(form), 4000);
  return null;
});
const release = (form) => {
  delete form.dataset.sending;
  $$('[aria-busy=true]', form).forEach((button) => button.removeAttribute('aria-busy'));
};
addEventListener('pageshow', () => $$('form[data-sending]').forEach(release));

// Clicks and keys

document.addEventListener('click', async (event) => {
  const at = (selector) => event.target.closest?.(selector);
  for (const menu of $$('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
  const opener = at('[data-opens]');
  const dialog = opener && document.getElementById(opener.dataset.opens);
  if (dialog?.showModal) {
    event.preventDefault();
    openDialog(dialog);
  }
  at('[data-dismiss]')?.closest('li, .flash')?.remove();
  const copier = at('[data-copy], [data-copy-from]');
  if (copier) {
    const from = document.getElementById(copier.dataset.copyFrom);
    const text = copier.dataset.copy ?? from?.value ?? from?.textContent ?? '';
    try {
      await navigator.clipboard.writeText(text);
      say('Copied');
    } catch {
      say('Copying is not allowed here. Select the text and copy it.');
    }
  }
  const line = at('a[data-line]');
  const area = line && $('textarea[data-editor]');
  if (area) {
    event.preventDefault();
    const start = area.value.split('\n').slice(0, Number(line.dataset.line) - 1).join('\n').length + (line.dataset.line === '1' ? 0 : 1);
    area.focus();
    area.setSelectionRange(start, start + Math.max(0, area.value.slice(start).indexOf('\n')));
    area.scrollTop = Math.max(0, (Number(line.dataset.line) - 6) * 18);
  }
  if (event.target.tagName === 'DIALOG' && event.target.matches('.dialog')) {
    const { left, right, top, bottom } = event.target.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    if (x || y) if (x < left || x > right || y < top || y > bottom) event.target.close();
  }
});
function openDialog(dialog) {
  if (dialog.open) return;
  if (dialog.matches('[data-palette]')) dialog.dispatchEvent(new Event('open-palette'));
  else dialog.showModal();
}
document.addEventListener('change', (event) => event.target.closest?.('form[data-auto]')?.requestSubmit());
document.addEventListener('keydown', (event) => {
  const { key, target } = event;
  const menu = target.closest?.('details.menu');
  if (menu && key === 'Escape' && menu.open) {
    menu.open = false;
    $('summary', menu).focus();
    event.preventDefault();
  } else if (menu && (key === 'ArrowDown' || key === 'ArrowUp')) {
    event.preventDefault();
    menu.open = true;
    const items = $$('ul a, ul button', menu);
    const step = key === 'ArrowDown' ? 1 : -1;
    const from = items.indexOf(target);
    items[from < 0 && step < 0 ? items.length - 1 : (from + step + items.length) % items.length]?.focus();
  } else if ((event.ctrlKey || event.metaKey) && !event.altKey && key.toLowerCase() === 'k' && $('dialog[data-palette]')) {
    event.preventDefault();
    openDialog($('dialog[data-palette]'));
  }
  const typing = target.matches?.('input, textarea, select, [contenteditable]') || $('dialog[open]');
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.documentElement.dataset.shortcuts === 'off') return;
  if (key === '/') {
    const search = $('main input[type=search]') ?? $('[data-search]');
    if (search) event.preventDefault();
    search?.focus();
  } else if (key === '?' && $('dialog[data-help]')) {
    event.preventDefault();
    openDialog($('dialog[data-help]'));
  }
});

// What a page or a new part of it holds is set up once.

const setUps = [
  ['time[data-relative][datetime]', tell, true],
  ['table:has(input[data-select-all])', selection],
  ['select[data-autocomplete]', autocomplete],
  ['dialog[data-palette]', palette],
  ['textarea[data-editor]', editor],
  ['textarea[data-check]', check],
  ['form[data-guard]', guard],
  ['[data-formset]', formset],
];
const seen = new Map(setUps.map(([selector]) => [selector, new WeakSet()]));
function setUp(root) {
  for (const [selector, deed, again] of setUps) {
    const known = seen.get(selector);
    for (const node of [...(root.matches?.(selector) ? [root] : []), ...$$(selector, root)]) {
      if (known.has(node) && !again) continue;
      known.add(node);
      deed(node);
    }
  }
}
setUp(document);
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) if (node.nodeType === 1) setUp(node);
    const time = change.target.nodeType === 1 ? change.target : change.target.parentElement;
    if (time?.matches('time[data-relative]')) tell(time);
  }
}).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['datetime'] });
const stream = $('[data-live]');
if (stream) live(stream);
$('[data-focus]')?.focus();
