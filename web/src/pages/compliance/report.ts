/** A text as CSV. One that a spreadsheet would run as a formula has a ' before it, as in the hub's export. */
export function cell(text: string): string {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export function csv(rows: string[][]): string {
  return rows.map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n'
}

/** The report by itself: what is shown, without anything from elsewhere. It has no scripts, and its links would lead nowhere. */
export function selfContained(title: string, about: string, report: HTMLElement): string {
  const copy = report.cloneNode(true) as HTMLElement
  for (const element of copy.querySelectorAll('script, style, button, svg, link')) element.remove()
  for (const link of copy.querySelectorAll('a')) link.replaceWith(link.textContent)
  for (const element of copy.querySelectorAll('*')) {
    for (const name of element.getAttributeNames()) {
      if (!['datetime', 'colspan', 'scope'].includes(name)) element.removeAttribute(name)
    }
  }
  const heading = document.createElement('h1')
  heading.textContent = title
  const line = document.createElement('p')
  line.textContent = about
  const style = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem;max-width:70rem}table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid;padding:4px 8px;text-align:left;vertical-align:top}`
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${heading.innerHTML}</title><style>${style}</style><body>${heading.outerHTML}${line.outerHTML}${copy.innerHTML}</body></html>`
}

export function download(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  URL.revokeObjectURL(address)
}
