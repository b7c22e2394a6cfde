// Begins Swagger UI or Redoc with the description of this server, in the language of the page.
"use strict";

const place = document.getElementById("docs");
const { tool, description, language, failed } = place.dataset;

// No image of another host: Redoc would fetch its maker's logo, which the policy of the page refuses anyway.
const { get, set } = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
const ours = (address) => [location.origin, "null"].includes(new URL(address, location).origin);
Object.defineProperty(HTMLImageElement.prototype, "src", {
  get,
  set(address) {
    if (ours(address)) set.call(this, address);
    else setTimeout(() => this.dispatchEvent(new Event("error"))); // so that its place is not kept
  },
});
HTMLImageElement.prototype.setAttribute = function setAttribute(name, value) {
  if (name === "src") this.src = value;
  else Element.prototype.setAttribute.call(this, name, value);
};

// Swagger UI leaves fields without a name, and boxes that scroll out of the keyboard's reach.
const named = (field) => [...field.labels].some((label) => (
  label.textContent.trim() !== (label.contains(field) ? field.textContent.trim() : "")
));
const repair = () => {
  for (const field of place.querySelectorAll("select:not([aria-label]), textarea:not([aria-label])")) {
    const name = field.matches("select") ? place.dataset.choice : place.dataset.body;
    if (!named(field)) field.setAttribute("aria-label", name);
  }
  for (const box of place.querySelectorAll("pre:not([tabindex])")) box.tabIndex = 0;
};

const LABELS = {
  enum: "Valeurs",
  enumSingleValue: "Valeur",
  enumArray: "Éléments",
  default: "Par défaut",
  deprecated: "Obsolète",
  example: "Exemple",
  examples: "Exemples",
  recursive: "Récursif",
  arrayOf: "Liste de ",
  const: "Valeur",
  noResultsFound: "Rien trouvé",
  download: "Télécharger",
  downloadSpecification: "Télécharger la description",
  responses: "Réponses",
  requestSamples: "Exemples de requêtes",
  responseSamples: "Exemples de réponses",
};

const tell = () => {
  const said = document.createElement("p");
  said.className = "plain";
  said.setAttribute("role", "alert");
  said.textContent = failed;
  place.replaceChildren(said);
};

if (tool === "swagger") {
  new MutationObserver(repair).observe(place, { childList: true, subtree: true });
  SwaggerUIBundle({
    url: description,
    domNode: place,
    docExpansion: "list",
    displayRequestDuration: true,
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null, // it would ask another host
    requestInterceptor: (request) => {
      request.headers = { "Accept-Language": language, ...request.headers };
      return request;
    },
  });
} else {
  fetch(description, { headers: { "Accept-Language": language } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
    .then((document_) => new Promise((resolve) => {
      const labels = language === "fr" ? LABELS : {};
      Redoc.init(document_, { labels, scrollYOffset: "header.rdv", nativeScrollbars: true }, place, resolve);
    }))
    .catch(tell);
}
