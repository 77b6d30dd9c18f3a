/** What violations are counted and filtered by, as the API names it. */
export const dimensions = [
  'severity',
  'policy',
  'workspace',
  'namespace',
  'app',
  'kind',
  'cluster',
  'category',
  'standard',
  'gate',
] as const
export type Dimension = (typeof dimensions)[number]

export const dimensionNames: Record<Dimension, string> = {
  severity: 'Severity',
  policy: 'Policy',
  workspace: 'Workspace',
  namespace: 'Namespace',
  app: 'Application',
  kind: 'Kind',
  cluster: 'Cluster',
  category: 'Category',
  standard: 'Standard',
  gate: 'Gate',
}

/** An id without what all of its kind begin with: in little room what differs comes first. */
export function shortId(id: string): string {
  return id.replace(/^weave\.(standards|controls|policies|templates|categories)\./, '')
}

/** A value of a dimension as people read it. Who shows it has the whole value as a title. */
export function valueName(dimension: Dimension, value: string): string {
  if (value === '') return dimension === 'namespace' ? '(none: the cluster’s)' : '(none)'
  if (dimension === 'app') {
    const [kind, , name] = value.split('/')
    return name ? `${name} (${kind})` : value
  }
  return shortId(value)
}
