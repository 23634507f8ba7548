// Swagger UI on the page of the API's docs. What somebody enters there stays in the page: no token is kept.
"use strict";

{
  const root = document.documentElement;
  const place = document.getElementById("api-docs");
  const asTheTheme = () => root.classList.toggle("dark-mode", root.dataset.bsTheme === "dark");
  new MutationObserver(asTheTheme).observe(root, { attributeFilter: ["data-bs-theme"] });
  asTheTheme();
  window.SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    deepLinking: true,
    defaultModelsExpandDepth: -1,
    docExpansion: "list",
    validatorUrl: null, // the schema goes to nobody else
  });
}
