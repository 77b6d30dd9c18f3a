const whole = new Intl.NumberFormat('en')
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** A count with its thousands apart. */
export function count(n: number): string {
  return whole.format(n)
}

/** A count in little room: 12.3K. */
export function brief(n: number): string {
  return n < 10_000 ? whole.format(n) : short.format(n)
}

/** "1 violation", "2 violations". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${whole.format(n)} ${n === 1 ? one : many}`
}
