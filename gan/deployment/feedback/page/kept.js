// What this browser keeps of a store of judgements: it survives a reload, and other windows of the page share it.

const { store, mode } = document.body.dataset;

/** A value under a name, of this store and mode. Without storage, as some private windows are, it lives in memory. */
export class Kept {
  #key;
  #value;

  constructor(name, empty) {
    this.#key = `gan-feedback/${store}/${mode}/${name}`;
    this.#value = empty;
  }

  read() {
    try {
      const text = localStorage.getItem(this.#key);
      return text === null ? this.#value : JSON.parse(text);
    } catch {
      return this.#value;
    }
  }

  write(value) {
    this.#value = value;
    try {
      localStorage.setItem(this.#key, JSON.stringify(value));
    } catch {
      // the value in memory is all that there is
    }
  }
}
