import { type Query, QueryClient } from '@tanstack/react-query'
import { mayPass } from './problem'

/** Paths whose answers are about violations: the event stream says when they are old. */
const aboutViolations = [
  '/v1/violations',
  '/v1/facets',
  '/v1/summary',
  '/v1/timeline',
  '/v1/applications',
  '/v1/standards',
  '/v1/workspaces',
  '/v1/exceptions',
]

export function isAboutViolations(query: Pick<Query, 'queryKey'>): boolean {
  const path = query.queryKey[0]
  return typeof path === 'string' && aboutViolations.some((p) => path === p || path.startsWith(`${p}/`))
}

/** The cache of what was read. Nothing is polled: answers about violations are read again when the event stream tells of a change. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        refetchOnWindowFocus: false,
        retry: (failures, error) => failures < 2 && mayPass(error),
        retryDelay: (failures) => 1000 * 2 ** failures,
      },
    },
  })
}
