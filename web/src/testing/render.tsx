import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { render, type RenderResult } from '@testing-library/react'
import type { ReactNode } from 'react'
import { theme, variables } from '../app/theme'

/** Queries that do not try again: a test waits for no second answer. */
export function makeTestQueries(): QueryClient {
  return new QueryClient({ defaultOptions: { queries: { retry: false } } })
}

/** Renders what needs Mantine and queries. Transitions are off, so that what was opened is there at once. */
export function show(content: ReactNode, queries = makeTestQueries()): RenderResult {
  return render(
    <MantineProvider theme={theme} cssVariablesResolver={variables} env="test">
      <QueryClientProvider client={queries}>{content}</QueryClientProvider>
    </MantineProvider>,
  )
}

/** An answer of the hub. */
export function answer(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json', ...headers },
  })
}
