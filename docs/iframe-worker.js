/* Browsers load no worker from a disk. There a hidden frame stands in for the one of the search. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      const inner = frame.contentWindow;
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.tell = (data) => inner.dispatchEvent(new inner.MessageEvent("message", { data }));
      const script = inner.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => {
        this.isReady = true;
        this.waiting.splice(0).forEach(this.tell);
      };
      inner.document.body.appendChild(script);
    }
    postMessage(data) {
      this.isReady ? this.tell(data) : this.waiting.push(data);
    }
    terminate() {}
  };
}
