// Takes the token that the identity provider left in the fragment and posts it to this page. It is never put in a URL or storage.
const token = new URLSearchParams(location.hash.slice(1)).get("access_token");
history.replaceState(null, "", location.pathname + location.search);
if (token) {
  const form = document.createElement("form");
  form.method = "post";
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "access_token";
  field.value = token;
  form.append(field);
  document.body.append(form);
  form.submit();
} else {
  document.getElementById("status").textContent = "The sign-in page sent no token. Start again at /login.";
}
