// Not a module: browsers open no modules from a file, so the page itself could not explain why it stays empty.
if (location.protocol === "file:") {
  document.getElementById("loading").hidden = true;
  const error = document.getElementById("error");
  error.textContent =
    "This page needs http: browsers do not load scripts and models from files. " +
    "Run `python -m http.server` in this folder, and open http://localhost:8000.";
  error.hidden = false;
}
