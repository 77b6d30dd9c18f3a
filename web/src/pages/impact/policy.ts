import { queryOptions } from '@tanstack/react-query'
import { client, read, type Schemas, take } from '../../api/client'

export type Manifest = Record<string, unknown>

/** A policy of the hub's own cluster as its agent told of it; null when no agent has. */
export function policyAsItIs(id: string) {
  return queryOptions({
    queryKey: ['the object of a policy', id] as const,
    queryFn: async ({ signal }): Promise<Manifest | null> => {
      const { policy } = await read('/v1/policies/{name}', { path: { name: id } }, signal)
      const versions = await read(
        '/v1/policy-versions',
        { query: { kind: ['Policy'], name: [policy.objectName], cluster: [policy.clusterName], limit: 1 } },
        signal,
      )
      const newest = versions.items[0]
      if (!newest || newest.to !== undefined) return null
      const version = await read('/v1/policy-versions/{id}', { path: { id: newest.id } }, signal)
      return asWritten(version.object)
    },
  })
}

function part(value: unknown): Manifest {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Manifest) : {}
}

/** An object as somebody would write it: without what the API server and the agent add. */
export function asWritten(object: Manifest): Manifest {
  const { name, namespace, labels, annotations } = part(object['metadata'])
  const kept = Object.entries(part(annotations)).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration')
  return {
    apiVersion: object['apiVersion'],
    kind: object['kind'],
    metadata: {
      name,
      ...(namespace ? { namespace } : {}),
      ...(labels ? { labels } : {}),
      ...(kept.length > 0 ? { annotations: Object.fromEntries(kept) } : {}),
    },
    spec: object['spec'],
  }
}

/** The policy as it would be if it refused. */
export function enforced(object: Manifest): Manifest {
  return { ...object, spec: { ...part(object['spec']), enforce: true } }
}

/** What the cluster would say with these objects in it. */
export function askImpact(objects: Manifest[], days = 0): Promise<Schemas['Impact']> {
  return take(client.POST('/v1/impact', { body: { objects, days } }))
}
