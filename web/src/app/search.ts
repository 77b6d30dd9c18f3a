/** What stands behind the question mark: a text, or texts when it is given several times. As the API has it, so that a page's address shows what is asked. */
export type Search = Record<string, string | string[]>

export function parseSearch(search: string): Search {
  const values: Search = {}
  for (const [key, value] of new URLSearchParams(search)) {
    const before = values[key]
    if (before === undefined) values[key] = value
    else values[key] = Array.isArray(before) ? [...before, value] : [before, value]
  }
  return values
}

export function stringifySearch(search: Record<string, unknown>): string {
  const values = new URLSearchParams()
  for (const [key, value] of Object.entries(search)) {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') values.append(key, String(one))
    }
  }
  const text = values.toString()
  return text === '' ? '' : `?${text}`
}

/** All values of a key. */
export function many(search: Record<string, unknown>, key: string): string[] | undefined {
  const value = search[key]
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.filter((v): v is string => typeof v === 'string')
  return undefined
}

/** The last value of a key. */
export function one(search: Record<string, unknown>, key: string): string | undefined {
  return many(search, key)?.at(-1)
}

/** The value of a key when it is one of those. */
export function oneOf<T extends string>(search: Record<string, unknown>, key: string, values: readonly T[]): T | undefined {
  const value = one(search, key)
  return values.find((v) => v === value)
}

/** Without what is undefined or empty, so that addresses stay short. */
export function compact<T extends object>(search: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(search).filter(([, v]) => v !== undefined && v !== '' && !(Array.isArray(v) && v.length === 0)),
  ) as Partial<T>
}
