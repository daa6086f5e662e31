const field = document.querySelector("nav input");
const links = [...document.querySelectorAll("nav a")];
field.addEventListener("input", () => {
  const typed = field.value.trim().toLowerCase();
  let topic = null;
  for (const link of links) {
    const fits = link.textContent.toLowerCase().includes(typed);
    link.hidden = !fits;
    if (link.classList.contains("topic")) topic = link;
    else if (fits && topic) topic.hidden = false;
  }
});
