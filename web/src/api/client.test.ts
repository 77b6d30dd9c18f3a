import { QueryClient } from '@tanstack/react-query'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { answer } from '../testing/render'
import { read, take } from './client'
import { mayPass, RequestError } from './problem'
import { isAboutViolations } from './queries'
import { may, mayAll, type Session, sessionQuery, signIn, signOut } from './session'

// The client takes Request when it is loaded. Node's wants whole addresses, as a browser's does not.
vi.hoisted(() => {
  const Whole = globalThis.Request
  globalThis.Request = class extends Whole {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === 'string' && input.startsWith('/') ? `http://hub.test${input}` : input, init)
    }
  }
})

const fetched = vi.fn<(request: Request) => Promise<Response>>()
beforeEach(() => {
  fetched.mockReset()
  vi.stubGlobal('fetch', fetched)
})

const failed = async (asked: Promise<unknown>): Promise<RequestError> => {
  const error: unknown = await asked.catch((e: unknown) => e)
  if (!(error instanceof RequestError)) throw new Error(`not a RequestError: ${String(error)}`)
  return error
}

describe('take', () => {
  it('gives what was asked for', async () => {
    await expect(take(Promise.resolve({ data: { a: 1 }, response: answer({}) }))).resolves.toEqual({ a: 1 })
  })
  it('makes an error of a problem, with the request’s id', async () => {
    const problem = { status: 403, title: 'Forbidden', detail: 'web may not' }
    const response = answer(problem, 403, { 'X-Request-Id': 'ID' })
    const error = await failed(take(Promise.resolve({ error: problem, response })))
    expect(error).toMatchObject({ status: 403, message: 'web may not', requestId: 'ID' })
    expect(mayPass(error)).toBe(false)
  })
  it('takes an answer that is no problem document', async () => {
    const error = await failed(take(Promise.resolve({ error: '<html>', response: new Response('<html>', { status: 502 }) })))
    expect(error).toMatchObject({ status: 502, message: 'The hub answered 502.', problem: undefined })
    expect(mayPass(error)).toBe(true)
  })
  it('says that the hub is away', async () => {
    const error = await failed(take(Promise.reject(new TypeError('Failed to fetch'))))
    expect(error).toMatchObject({ status: 0, message: 'The hub could not be reached.' })
    expect(mayPass(error)).toBe(true)
  })
  it('leaves alone what was given up', async () => {
    await expect(take(Promise.reject(new DOMException('gone', 'AbortError')))).rejects.toThrow(DOMException)
  })
})

describe('read', () => {
  it('asks as the API has it: a filter with several values is there several times', async () => {
    fetched.mockResolvedValue(answer({ items: [] }))
    await read('/v1/violations', { query: { severity: ['high', 'low'], namespace: [''], text: 'a b' } })
    const url = new URL(fetched.mock.calls[0]?.[0].url ?? '')
    expect(url.pathname).toBe('/v1/violations')
    expect(url.searchParams.getAll('severity')).toEqual(['high', 'low'])
    expect(url.searchParams.getAll('namespace')).toEqual([''])
    expect(url.searchParams.get('text')).toBe('a b')
  })
  it('writes names into paths so that they stay one part', async () => {
    fetched.mockResolvedValue(answer({}))
    await read('/v1/policies/{name}', { path: { name: 'a/../b?c' } })
    expect(new URL(fetched.mock.calls[0]?.[0].url ?? '').pathname).toBe('/v1/policies/a%2F..%2Fb%3Fc')
  })
})

describe('isAboutViolations', () => {
  it.each([
    ['/v1/violations', true],
    ['/v1/violations/{id}', true],
    ['/v1/facets', true],
    ['/v1/policies', false],
    ['/v1/session', false],
    ['/v1/summaryx', false],
  ])('%s: %s', (path, about) => expect(isAboutViolations({ queryKey: [path, {}] })).toBe(about))
  it('takes keys that are no paths', () => expect(isAboutViolations({ queryKey: [1] })).toBe(false))
})

describe('session', () => {
  const web: Session = {
    signedIn: true,
    name: 'web',
    signIn: [],
    rights: [
      { resource: 'violations', verb: 'list', all: false, namespaces: ['shop'] },
      { resource: 'policies', verb: 'get', all: true, namespaces: [] },
      { resource: 'workspaces', verb: 'list', all: false, namespaces: [] },
    ],
  }
  it('says what one may', () => {
    expect(may(web, 'violations')).toBe(true)
    expect(mayAll(web, 'violations')).toBe(false)
    expect(may(web, 'policies')).toBe(false)
    expect(may(web, 'policies', 'get')).toBe(true)
    expect(may(web, 'workspaces')).toBe(false)
  })
  it('begins with nothing that another one read', async () => {
    const queries = new QueryClient()
    queries.setQueryData(['/v1/violations', {}], { items: ['secret'] })
    fetched.mockResolvedValue(answer(web))
    await signIn(queries, 'web', 'assay')
    expect(await fetched.mock.calls[0]?.[0].clone().json()).toEqual({ name: 'web', password: 'assay' })
    expect(queries.getQueryData(['/v1/violations', {}])).toBeUndefined()
    expect(queries.getQueryData(sessionQuery.queryKey)).toEqual(web)
  })
  it('stays as it was when it is refused', async () => {
    const queries = new QueryClient()
    fetched.mockResolvedValue(answer({ status: 401, title: 'Unauthorized', detail: 'no' }, 401))
    expect(await failed(signIn(queries, 'web', 'wrong'))).toMatchObject({ status: 401 })
    expect(queries.getQueryData(sessionQuery.queryKey)).toBeUndefined()
  })
  it('leaves nothing behind', async () => {
    const queries = new QueryClient()
    queries.setQueryData(['/v1/violations', {}], { items: ['secret'] })
    fetched.mockResolvedValue(new Response(null, { status: 204 }))
    await signOut(queries)
    expect(queries.getQueryCache().getAll()).toEqual([])
  })
})
