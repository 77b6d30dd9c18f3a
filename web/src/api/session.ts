import { useQuery, type QueryClient } from '@tanstack/react-query'
import { client, reading, type Schemas, take } from './client'

export type Session = Schemas['Session']
export type Resource = Schemas['Right']['resource']

/** Who the reader is and what they may see. It is read once, and again after signing in or out. */
export const sessionQuery = { ...reading('/v1/session', {}), staleTime: Infinity, gcTime: Infinity }

/** The session, which the router has read before anything is shown. */
export function useSession(): Session {
  const { data } = useQuery(sessionQuery)
  return data ?? { signedIn: false, rights: [], signIn: [] }
}

/** Whether somebody may see anything of a resource. */
export function may(session: Session, resource: Resource, verb: 'list' | 'get' = 'list'): boolean {
  return session.rights.some(
    (right) => right.resource === resource && right.verb === verb && (right.all || right.namespaces.length > 0),
  )
}

/** Whether somebody may see all of a resource, in every cluster. */
export function mayAll(session: Session, resource: Resource, verb: 'list' | 'get' = 'list'): boolean {
  return session.rights.some((right) => right.resource === resource && right.verb === verb && right.all)
}

export async function signIn(queries: QueryClient, name: string, password: string): Promise<void> {
  const session = await take(client.POST('/v1/session', { body: { name, password } }))
  queries.clear()
  queries.setQueryData(sessionQuery.queryKey, session)
}

export async function signOut(queries: QueryClient): Promise<void> {
  await take(client.DELETE('/v1/session'))
  queries.clear()
}
