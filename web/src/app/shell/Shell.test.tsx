import { makeTestQueries, show } from '../../testing/render'
import { makeHub, sessionOf } from '../../testing/hub'
import { RouterProvider } from '@tanstack/react-router'
import { screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Session } from '../../api/session'

const workspace = { name: 'web', clusterName: 'one', namespaces: ['storefront'], open: 3 }
const answers = {
  'GET /v1/workspaces': { workspaces: [workspace], total: 1, errors: [] },
  'GET /v1/workspaces/web': { ...workspace, quotas: [], allowed: {}, severities: [] },
  'GET /v1/policies': { policies: [], total: 0, errors: [] },
  'GET /v1/facets': { facets: {} },
  'GET /v1/violations': { items: [] },
  'GET /v1/applications': { items: [] },
}

async function open(session: Session, address = '/workspaces') {
  const { makeRouter } = await import('../router')
  makeHub({ ...answers, 'GET /v1/session': session })
  window.history.pushState(null, '', address)
  const queries = makeTestQueries()
  show(<RouterProvider router={makeRouter(queries)} />, queries)
  return screen.findByRole('navigation', { name: 'Pages' })
}

beforeEach(() => {
  vi.stubGlobal('scrollTo', () => undefined)
  // Spotlight scrolls to what is chosen, which jsdom cannot.
  Element.prototype.scrollIntoView = () => undefined
})

describe('Shell', () => {
  it('says which page one is on, and leads to others', async () => {
    const navigation = await open(sessionOf('platform'))
    expect(within(navigation).getByRole('link', { name: 'Workspaces' })).toHaveAttribute('aria-current', 'page')
    expect(within(navigation).getByRole('link', { name: 'Overview' })).not.toHaveAttribute('aria-current')
    await userEvent.click(within(navigation).getByRole('link', { name: 'Applications' }))
    await waitFor(() => expect(window.location.pathname).toBe('/applications'))
    expect(within(navigation).getByRole('link', { name: 'Applications' })).toHaveAttribute('aria-current', 'page')
    // A new page is read from its beginning.
    await waitFor(() => expect(screen.getByRole('main')).toHaveFocus())
  })

  it('marks pages that one has no right to, which can be opened all the same', async () => {
    const navigation = await open(sessionOf('web', ['violations', 'workspaces']))
    const marked = within(navigation)
      .getAllByLabelText('You have no right to this')
      .map((mark) => mark.closest('a')?.textContent)
    expect(marked).toEqual(['Policies', 'Policy sets', 'Policy configs', 'Exceptions', 'Impact', 'Compliance'])
  })

  it('has a way past the navigation, which Tab reaches first', async () => {
    await open(sessionOf('platform'))
    await userEvent.tab()
    expect(screen.getByRole('link', { name: 'Skip to the content' })).toHaveFocus()
    expect(screen.getByRole('link', { name: 'Skip to the content' })).toHaveAttribute('href', '#main')
    expect(screen.getByRole('main')).toHaveAttribute('id', 'main')
  })

  it('opens and closes the navigation of phones by keyboard', async () => {
    const navigation = await open(sessionOf('platform'))
    const burger = screen.getByRole('button', { name: 'Navigation' })
    expect(burger).toHaveAttribute('aria-expanded', 'false')
    expect(navigation.closest('#pages')).toHaveAttribute('data-closed')
    burger.focus()
    await userEvent.keyboard('{Enter}')
    expect(burger).toHaveAttribute('aria-expanded', 'true')
    expect(navigation.closest('#pages')).not.toHaveAttribute('data-closed')
    await userEvent.keyboard('{Escape}')
    expect(burger).toHaveAttribute('aria-expanded', 'false')
    expect(burger).toHaveFocus()
  })

  it('finds by keyboard', async () => {
    await open(sessionOf('platform'), '/applications')
    await userEvent.keyboard('{Control>}k{/Control}')
    const field = await screen.findByRole('textbox', { name: 'Find' })
    await waitFor(() => expect(field).toHaveFocus())
    await userEvent.keyboard('storefront')
    await screen.findByRole('button', { name: /web.*storefront/ })
    await userEvent.keyboard('{Enter}')
    await waitFor(() => expect(window.location.pathname).toBe('/workspaces/web'))
    expect(screen.queryByRole('textbox', { name: 'Find' })).not.toBeInTheDocument()
  })

  it('closes the palette by Escape and by the keys that opened it', async () => {
    await open(sessionOf('platform'))
    for (const keys of ['{Escape}', '{Control>}k{/Control}']) {
      await userEvent.keyboard('{Control>}k{/Control}')
      const field = await screen.findByRole('textbox', { name: 'Find' })
      await waitFor(() => expect(field).toHaveFocus())
      await userEvent.keyboard(keys)
      await waitFor(() => expect(screen.queryByRole('textbox', { name: 'Find' })).not.toBeInTheDocument())
    }
  })
})
