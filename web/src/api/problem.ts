import type { components } from './schema'

/** What the hub answers instead of what was asked for: application/problem+json (RFC 9457). */
export type Problem = components['schemas']['ErrorModel']

/** A request that was not answered with what was asked for. `status` is 0 when the hub could not be reached. */
export class RequestError extends Error {
  readonly status: number
  readonly problem: Problem | undefined
  /** The request's id, by which it is found in the hub's log. */
  readonly requestId: string | undefined

  constructor(status: number, problem: Problem | undefined, requestId?: string) {
    super(problem?.detail ?? problem?.title ?? (status === 0 ? 'The hub could not be reached.' : `The hub answered ${status}.`))
    this.name = 'RequestError'
    this.status = status
    this.problem = problem
    this.requestId = requestId
  }
}

/** Whether asking again may help: the hub is away or has too much to do. */
export function mayPass(error: unknown): boolean {
  return error instanceof RequestError && (error.status === 0 || error.status === 429 || error.status >= 502)
}
