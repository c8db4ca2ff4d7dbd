// Takes what the identity provider left in the fragment and posts it to our server. It is never put in a URL or storage, and it is out of
// the address and the history before anything else happens.
const left = new URLSearchParams(location.hash.slice(1));
const asked = new URLSearchParams(location.search);
history.replaceState(null, "", location.pathname);
const fields = {
  access_token: left.get("access_token"),
  refresh_token: left.get("refresh_token"),
  state: left.get("state") || asked.get("state"),
};
if (fields.access_token) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = "/auth/callback";
  for (const [name, value] of Object.entries(fields)) {
    if (!value) continue;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
} else {
  const refused = left.has("error") || asked.has("error");
  document.getElementById("status").textContent = refused ? "The sign-in service refused." : "The sign-in service sent no token.";
}
