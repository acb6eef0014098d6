// The options of the page: in its form, and in the part of the address after #, so that an address names its samples.

/** Classes up to which each has a button; above it, there is a search field. */
const MOST_BUTTONS = 20;

/** Returns the name of a class: that of the data, or its number. */
export function className(card, number) {
  return card.class_names[number] ?? String(number);
}

export class Options {
  #form;
  #card;
  #hasButtons;

  /**
   * @param {HTMLFormElement} form
   * @param {object} card - card of the generator
   * @param {object} defaults - values of the fields that the address does not name
   */
  constructor(form, card, defaults) {
    this.#form = form;
    this.#card = card;
    this.#hasButtons = card.num_classes <= MOST_BUTTONS;
    if (this.#hasButtons) {
      document.getElementById("class-search").remove(); // the buttons have the same name
    }
    if (card.num_classes) {
      this.#showClasses();
    }
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of ["class", "seed", "first", "num", "truncation"]) {
      if (form.elements[name]) {
        this.set(name, given.get(name) ?? defaults[name] ?? "");
      }
    }
  }

  #showClasses() {
    const numbers = Array.from({ length: this.#card.num_classes }, (_, number) => number);
    if (!this.#hasButtons) {
      const options = numbers.map((number) => Object.assign(new Option(), { value: this.#choice(number) }));
      document.getElementById("class-names").append(...options);
      document.getElementById("class-hint").textContent =
        `One of ${numbers.length.toLocaleString("en")} classes: its number or name. Empty: all in turn.`;
      document.getElementById("class-search").hidden = false;
      return;
    }
    const buttons = [null, ...numbers].map((number) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "class", value: number ?? "" });
      const text = document.createElement("span");
      text.textContent = number === null ? "All" : className(this.#card, number);
      label.append(input, text);
      return label;
    });
    const classes = document.getElementById("classes");
    classes.append(...buttons);
    classes.hidden = false;
  }

  /** Returns the text of the search field for a class. */
  #choice(number) {
    const name = className(this.#card, number);
    return name === String(number) ? name : `${number} ${name}`;
  }

  /** Returns the number of the class that a text asks for; null: all classes in turn; undefined: there is none. */
  #classNumber(text) {
    if (!text) {
      return null;
    }
    if (this.#hasButtons) {
      return Number(text);
    }
    const names = this.#card.class_names;
    const wanted = text.toLowerCase();
    const named = names.findIndex((name) => name.toLowerCase() === wanted);
    if (named >= 0) {
      return named;
    }
    const number = /^\d+/.test(text) ? Number.parseInt(text, 10) : -1;
    const exists = number >= 0 && number < this.#card.num_classes;
    return exists && [String(number), this.#choice(number).toLowerCase()].includes(wanted) ? number : undefined;
  }

  /** Returns the checked options, or null after marking the fields that are invalid. */
  read() {
    const text = (name) => this.#form.elements[name]?.value.trim() ?? "";
    const label = this.#card.num_classes ? this.#classNumber(text("class")) : null;
    document.getElementById("class")?.setCustomValidity(label === undefined ? "There is no such class." : "");
    let valid = true;
    for (const field of this.#form.elements) {
      if (field.willValidate && field.type !== "radio") {
        field.setAttribute("aria-invalid", String(!field.validity.valid));
        valid &&= field.validity.valid;
      }
    }
    if (!valid) {
      return null;
    }
    const [seed, first, num] = ["seed", "first", "num"].map((name) => Number(text(name)));
    return { seed, first, num, label, truncation: text("truncation") ? Number(text("truncation")) : null };
  }

  /** Returns what is wrong with the first invalid field. */
  problem() {
    const field = [...this.#form.elements].find((one) => one.getAttribute("aria-invalid") === "true");
    return `${field.labels[0].textContent}: ${field.validationMessage}`;
  }

  /** Sets the value of a field. */
  set(name, value) {
    const field = this.#form.elements[name];
    if (field instanceof RadioNodeList) {
      const wanted = [...field].find((one) => one.value === value) ?? field[0];
      wanted.checked = true;
    } else {
      field.value = value;
    }
  }

  /** Writes the options into the address of the page. */
  writeAddress() {
    const names = ["class", "seed", "first", "num", "truncation"];
    const values = names.map((name) => [name, this.#form.elements[name]?.value ?? ""]);
    history.replaceState(null, "", `#${new URLSearchParams(values.filter(([, value]) => value))}`);
  }
}
