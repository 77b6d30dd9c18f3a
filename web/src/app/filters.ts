import type { Query } from '../api/client'
import { compact, many, one, oneOf } from './search'

/** The filters of violations, named in addresses as in the API. */
export type Filters = Omit<Query<'/v1/violations'>, 'order' | 'ascending' | 'limit' | 'cursor'>

const severities = ['high', 'medium', 'low'] as const
const gates = ['admission', 'audit', 'terraform'] as const
const statuses = ['open', 'resolved', 'excepted'] as const

function among<T extends string>(values: string[] | undefined, known: readonly T[]): T[] | undefined {
  return values && known.filter((k) => values.includes(k))
}

/** The filters that an address has. What is not one of the values there are is left out: the hub would refuse it. */
export function filtersOf(search: Record<string, unknown>): Filters {
  return compact<Filters>({
    cluster: many(search, 'cluster'),
    namespace: many(search, 'namespace'),
    workspace: many(search, 'workspace'),
    app: many(search, 'app'),
    kind: many(search, 'kind'),
    name: many(search, 'name'),
    policy: many(search, 'policy'),
    category: many(search, 'category'),
    severity: among(many(search, 'severity'), severities),
    standard: many(search, 'standard'),
    control: many(search, 'control'),
    gate: among(many(search, 'gate'), gates),
    status: among(many(search, 'status'), statuses),
    enforced: oneOf(search, 'enforced', ['true', 'false']),
    firstFrom: one(search, 'firstFrom'),
    firstTo: one(search, 'firstTo'),
    exception: many(search, 'exception'),
    from: one(search, 'from'),
    to: one(search, 'to'),
    text: one(search, 'text'),
  })
}
