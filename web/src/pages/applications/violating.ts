import type { Schemas } from '../../api/client'

type Violation = Schemas['Violation']

export interface Violating {
  key: string
  cluster: string
  object: Violation['object']
  high: number
  medium: number
  low: number
}

/** The objects of violations with how many each has, the worst first. */
export function violating(violations: Violation[]): Violating[] {
  const objects = new Map<string, Violating>()
  for (const { cluster, object, policy } of violations) {
    const key = [cluster, object.apiVersion, object.kind, object.namespace, object.name].join('/')
    const one = objects.get(key) ?? { key, cluster, object, high: 0, medium: 0, low: 0 }
    if (policy.severity === 'high' || policy.severity === 'medium' || policy.severity === 'low') one[policy.severity]++
    objects.set(key, one)
  }
  return [...objects.values()].sort(
    (a, b) => b.high - a.high || b.medium - a.medium || b.low - a.low || a.key.localeCompare(b.key),
  )
}

/** The source revisions that violations tell of. */
export function revisions(violations: Violation[]): string[] {
  return [...new Set(violations.map((v) => v.app?.revision).filter((r) => r !== undefined && r !== ''))] as string[]
}
