const factors: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/** The number that a quantity of Kubernetes is, such as 2220m or 40Gi; undefined when it is none. */
export function quantity(text: string | undefined): number | undefined {
  const parts = /^([+-]?\d*\.?\d+)(?:[eE]([+-]?\d+))?([numkMGTPE]|[KMGTPE]i)?$/.exec(text?.trim() ?? '')
  if (!parts || (parts[2] !== undefined && parts[3] !== undefined)) return undefined
  const factor = factors[parts[3] ?? '']
  return factor === undefined ? undefined : Number(parts[1]) * 10 ** Number(parts[2] ?? 0) * factor
}

/** How much of what may be used is used, in percent; undefined when one of both is no quantity. */
export function share(used: string | undefined, hard: string): number | undefined {
  const [u, h] = [quantity(used), quantity(hard)]
  if (u === undefined || h === undefined) return undefined
  // Nothing is allowed: any use is all of it.
  if (h === 0) return u > 0 ? 100 : 0
  return (100 * u) / h
}
