"use strict";

const API = "../api/v2/dags";
const POLL_MS = 700;
const FOLLOWED_MS = 120000;
const SURE_MS = 6000;

const queue = document.getElementById("queue");
const message = document.getElementById("message");
const requeue = document.getElementById("requeue");
const requeueAll = document.getElementById("requeue-all");
const buttons = [requeue, requeueAll].filter((button) => button !== null);
const boxes = [...document.querySelectorAll("input.choose")];

function followTheme() {
  let outer = null;
  try { outer = window.parent.document.documentElement; } catch { return; }
  const dark = () => outer === document.documentElement
    ? matchMedia("(prefers-color-scheme: dark)").matches : outer.classList.contains("dark");
  const apply = () => { document.documentElement.dataset.theme = dark() ? "dark" : "light"; };
  if (outer !== document.documentElement) new MutationObserver(apply).observe(outer, { attributeFilter: ["class"] });
  apply();
}

function say(text, kind = "", link = null) {
  message.textContent = text;
  message.className = `banner ${kind}`;
  if (link !== null) {
    const anchor = document.createElement("a");
    anchor.textContent = " See the run.";
    anchor.href = link;
    anchor.addEventListener("click", (event) => { event.preventDefault(); leadTo(anchor.href); });
    message.append(anchor);
  }
  message.hidden = false;
}

function leadTo(address) {
  const anchor = window.parent.document.createElement("a");
  anchor.href = address;
  window.parent.document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

function chosen() {
  return boxes.filter((box) => box.checked).map((box) => box.value);
}

function showChosen() {
  const count = chosen().length;
  document.getElementById("chosen").textContent = count === 0 ? "none chosen" : `${count} chosen`;
  requeue.disabled = count === 0;
  const all = document.getElementById("choose-all");
  all.checked = count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
}

function choose(test) {
  for (const box of boxes) box.checked = test(box);
  showChosen();
}

async function call(path, options = {}) {
  const answer = await fetch(`${API}/${path}`, { credentials: "same-origin", ...options });
  if (answer.ok) return answer.json();
  const why = {
    401: "your session has ended, log in again",
    403: "you may not run this DAG",
    404: `Airflow does not know the DAG ${queue.dataset.dag}`,
  };
  throw new Error(why[answer.status] ?? `Airflow answered ${answer.status}`);
}

async function reprocess(conf) {
  for (const button of buttons) button.disabled = true;
  try {
    const run = await call(`${queue.dataset.dag}/dagRuns`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ logical_date: null, conf: { dry_run: false, ...conf } }),
    });
    await follow(run.dag_run_id);
  } catch (error) {
    say(`Nothing was requeued: ${error.message}.`, "bad");
    for (const button of buttons) button.disabled = false;
    showChosen();
  }
}

async function follow(runId) {
  const path = `${queue.dataset.dag}/dagRuns/${encodeURIComponent(runId)}`;
  const link = `../dags/${queue.dataset.dag}/runs/${encodeURIComponent(runId)}`;
  const end = Date.now() + FOLLOWED_MS;
  while (Date.now() < end) {
    const run = await call(path);
    if (run.state === "success") {
      say(`${run.note ?? "Requeued"}; the next sweep takes them.`, "good", link);
      sessionStorage.setItem("ingress-queue-said", JSON.stringify([message.firstChild.textContent, link]));
      location.reload();
      return;
    }
    if (run.state === "failed") {
      say("The run failed; items may have been requeued in part.", "bad", link);
      return;
    }
    say(run.state === "queued" ? "Waiting for Airflow to start the run …" : "Requeueing …", "", link);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  say("Airflow has not finished the run yet. Is the DAG paused, or the scheduler down?", "bad", link);
}

function askThenRequeueAll() {
  const text = requeueAll.textContent;
  if (requeueAll.classList.contains("sure")) {
    requeueAll.classList.remove("sure");
    const { state, endpoint } = queue.dataset;
    reprocess({ state, endpoint: endpoint || null, limit: 1000000 });
    return;
  }
  requeueAll.classList.add("sure");
  requeueAll.textContent = `Sure? Requeue ${requeueAll.dataset.count}`;
  setTimeout(() => { requeueAll.classList.remove("sure"); requeueAll.textContent = text; }, SURE_MS);
}

function repeatWhatWasSaid() {
  const said = sessionStorage.getItem("ingress-queue-said");
  if (said === null) return;
  sessionStorage.removeItem("ingress-queue-said");
  const [text, link] = JSON.parse(said);
  say(text, "good", link);
}

followTheme();
if (queue !== null) repeatWhatWasSaid();
if (requeue !== null) {
  for (const box of boxes) box.addEventListener("change", showChosen);
  document.getElementById("choose-all").addEventListener("change", (event) => choose(() => event.target.checked));
  for (const button of document.querySelectorAll("button.kind")) {
    button.addEventListener("click", () => choose((box) => box.closest("tr").dataset.kind === button.dataset.kind));
  }
  requeue.addEventListener("click", () => reprocess({ state: queue.dataset.state, item_ids: chosen(), limit: 1000 }));
  requeueAll?.addEventListener("click", askThenRequeueAll);
}
