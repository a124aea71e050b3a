// Files that are dropped on the form are sent as it would send them; without this script it works as it is.
const form = document.getElementById("upload");

form.addEventListener("dragover", event => {
  event.preventDefault();
  form.classList.add("over");
});
form.addEventListener("dragleave", () => form.classList.remove("over"));
form.addEventListener("drop", async event => {
  event.preventDefault();
  form.classList.remove("over");
  const data = new FormData();
  for (const file of event.dataTransfer.files) data.append("file", file);
  const answer = await fetch("/", {method: "POST", body: data});
  if (answer.ok) location.reload();
  else alert(await answer.text());
});
