// page.js - the manual in a browser: contents open where there is room, long lists have a filter
for (const contents of document.querySelectorAll("nav.toc details"))
	contents.open = matchMedia("(min-width: 70rem)").matches;

for (const list of document.querySelectorAll("dl")) {
	const entries = [...list.querySelectorAll(":scope > dt")].map(dt => {
		const dd = dt.nextElementSibling;
		return { dt, dd, text: (dt.textContent + " " + dd.textContent).toLowerCase().replace(/\s+/g, " ") };
	});
	if (entries.length < 60)
		continue;

	const box = document.createElement("input"), count = document.createElement("output");
	const show = () => {
		const words = box.value.toLowerCase().split(/\s+/);
		let shown = 0;
		for (const { dt, dd, text } of entries) {
			dt.hidden = dd.hidden = !words.every(word => text.includes(word));
			shown += !dt.hidden;
		}
		count.textContent = `${shown} of ${entries.length}`;
	};
	box.type = "search";
	box.placeholder = "Filter: words of name or text";
	box.ariaLabel = "Filter this list";
	box.addEventListener("input", show);
	addEventListener("hashchange", () => { // a link leads to an entry that is not shown
		const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
		if (list.contains(target) && target.closest("[hidden]")) {
			box.value = "";
			show();
			target.scrollIntoView();
		}
	});
	const filter = document.createElement("p");
	filter.className = "filter";
	filter.append(box, count);
	list.before(filter);
	show();
}
