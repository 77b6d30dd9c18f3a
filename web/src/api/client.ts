import { queryOptions } from '@tanstack/react-query'
import createClient, { type FetchResponse } from 'openapi-fetch'
import { type Problem, RequestError } from './problem'
import type { components, paths } from './schema'

export type Schemas = components['schemas']

/** The hub's API. The browser sends the session's cookie; a problem becomes a RequestError in `take`. */
export const client = createClient<paths>({
  // fetch is looked up when it is called, so that tests can put theirs in its place.
  fetch: (request) => globalThis.fetch(request),
  querySerializer: { array: { style: 'form', explode: true } },
})

/** The paths that can be read. */
export type GetPath = {
  [P in keyof paths]: paths[P] extends { get: { responses: { 200: { content: { 'application/json': unknown } } } } } ? P : never
}[keyof paths]

type Operation<P extends GetPath> = paths[P]['get']
export type Parameters<P extends GetPath> =
  Operation<P> extends { parameters: infer Given } ? Pick<Given, keyof Given & ('query' | 'path')> : never
/** The query of a path, as the hub's document has it. */
export type Query<P extends GetPath> = Operation<P> extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never
/** What a path answers. */
export type Answer<P extends GetPath> =
  Operation<P> extends { responses: { 200: { content: { 'application/json': infer Body } } } } ? Body : never

/** What was asked for, or a RequestError. */
export async function take<Body>(asked: Promise<{ data?: Body; error?: unknown; response: Response }>): Promise<Body> {
  let got
  try {
    got = await asked
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw new RequestError(0, undefined)
  }
  if (!got.response.ok) {
    const problem = typeof got.error === 'object' && got.error !== null ? (got.error as Problem) : undefined
    throw new RequestError(got.response.status, problem, got.response.headers.get('X-Request-Id') ?? undefined)
  }
  return got.data as Body
}

/** Reads a path. */
export function read<P extends GetPath>(path: P, parameters: Parameters<P>, signal?: AbortSignal): Promise<Answer<P>> {
  // openapi-fetch's types do not resolve for a path that is not known yet; Parameters and Answer are made from the same document.
  const get = client.GET as unknown as (
    path: P,
    init: object,
  ) => Promise<FetchResponse<Record<string, unknown>, object, 'application/json'>>
  return take(get(path, { params: parameters, ...(signal ? { signal } : {}) }))
}

/** A query of TanStack's for a path. Its key begins with the path, which is what the event stream invalidates by. */
export function reading<P extends GetPath>(path: P, parameters: Parameters<P>) {
  return queryOptions({
    queryKey: [path, parameters] as const,
    queryFn: ({ signal }) => read(path, parameters, signal),
  })
}
