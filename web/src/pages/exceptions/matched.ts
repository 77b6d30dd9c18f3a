import type { Schemas } from '../../api/client'

/** What an exception matches, in words. All parts must hold; of each, one of its values. */
export function matched(match: Schemas['V2PolicyExceptionMatch']): string {
  const named = (o: { kind: string; name: string; namespace?: string | undefined }) =>
    `${o.kind} ${o.namespace ? `${o.namespace}/` : ''}${o.name}`
  const part = (name: string, values: string[] | undefined) => (values?.length ? `${name} ${values.join(' or ')}` : '')
  const parts = [
    part('', match.resources?.map(named)).trim(),
    part(
      'labelled',
      // Labels must all be there, unlike the others.
      match.labels && Object.keys(match.labels).length > 0
        ? [
            Object.entries(match.labels)
              .map(([key, value]) => `${key}=${value}`)
              .join(' and '),
          ]
        : undefined,
    ),
    part('applied by', match.apps?.map(named)),
    part('in namespace', match.namespaces),
    part('in workspace', match.workspaces),
  ].filter(Boolean)
  return parts.join(', ')
}
