import { vi } from 'vitest'
import type { Session } from '../api/session'
import { answer } from './render'

const Whole = globalThis.Request
// Node's Request wants whole addresses, as a browser's does not. This file must be imported before the client, which takes Request when it is loaded.
globalThis.Request = class extends Whole {
  constructor(input: RequestInfo | URL, init?: RequestInit) {
    super(typeof input === 'string' && input.startsWith('/') ? `http://localhost:3000${input}` : input, init)
  }
}

type Answers = Record<string, unknown>

/** A hub that answers by method and path, such as "GET /v1/session": with a body, or with what a function gives. Gives what was asked. */
export function makeHub(answers: Answers): string[] {
  const asked: string[] = []
  vi.stubGlobal('fetch', (request: Request) => {
    const what = `${request.method} ${new URL(request.url).pathname}`
    asked.push(what)
    const found = answers[what]
    if (typeof found === 'function') return Promise.resolve((found as () => Response)())
    return Promise.resolve(
      found === undefined ? answer({ status: 404, title: 'Not Found', detail: `no ${what}` }, 404) : answer(found),
    )
  })
  return asked
}

const resources = ['violations', 'workspaces', 'policies', 'policysets', 'policyconfigs', 'policyexceptions'] as const

/** The session of somebody who may see those resources everywhere. */
export function sessionOf(name: string, seen: readonly (typeof resources)[number][] = resources): Session {
  return {
    signedIn: true,
    name,
    signIn: [],
    rights: seen.flatMap((resource) => (['list', 'get'] as const).map((verb) => ({ resource, verb, all: true, namespaces: [] }))),
  }
}
