import { answer, makeTestQueries, show } from '../../testing/render'
import { makeHub, sessionOf } from '../../testing/hub'
import { RouterProvider } from '@tanstack/react-router'
import { screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { beforeEach, describe, expect, it, vi } from 'vitest'

const nobody = { signedIn: false, rights: [], signIn: [{ way: 'password', path: '/v1/session' }] }
const about = { 'GET /v1/about': {} }

async function open(address: string) {
  const { makeRouter } = await import('../../app/router')
  window.history.pushState(null, '', address)
  const queries = makeTestQueries()
  show(<RouterProvider router={makeRouter(queries)} />, queries)
  return queries
}

beforeEach(() => vi.stubGlobal('scrollTo', () => undefined))

describe('signing in', () => {
  it('says that the password was wrong, and empties it only', async () => {
    const refused = () => answer({ status: 401, title: 'Unauthorized', detail: 'no' }, 401)
    makeHub({ 'GET /v1/session': nobody, 'POST /v1/session': refused })
    await open('/sign-in')
    await userEvent.type(await screen.findByLabelText(/^Name/), 'web')
    await userEvent.type(screen.getByLabelText(/^Password/), 'wrong{Enter}')
    expect(await screen.findByRole('alert')).toHaveTextContent('Name or password are wrong')
    expect(screen.getByRole('textbox', { name: /^Name/ })).toHaveValue('web')
    expect(screen.getByLabelText(/^Password/)).toHaveValue('')
    expect(window.location.pathname).toBe('/sign-in')
  })

  it('leads to where one wanted to go', async () => {
    makeHub({ 'GET /v1/session': nobody, 'POST /v1/session': sessionOf('web', []), ...about })
    await open('/about?x=1')
    await userEvent.type(await screen.findByLabelText(/^Name/), 'web')
    expect(new URLSearchParams(window.location.search).get('return_to')).toBe('/about?x=1')
    await userEvent.type(screen.getByLabelText(/^Password/), 'assay{Enter}')
    await waitFor(() => expect(window.location.pathname).toBe('/about'))
  })

  it('leads nobody to another site', async () => {
    makeHub({ 'GET /v1/session': nobody, 'POST /v1/session': sessionOf('web', []) })
    await open(`/sign-in?return_to=${encodeURIComponent('//evil.example/x')}`)
    await userEvent.type(await screen.findByLabelText(/^Name/), 'web')
    await userEvent.type(screen.getByLabelText(/^Password/), 'assay{Enter}')
    await waitFor(() => expect(window.location.pathname).toBe('/'))
    expect(window.location.hostname).toBe('localhost')
  })

  it('says what to do where no way to sign in is set up', async () => {
    makeHub({ 'GET /v1/session': { ...nobody, signIn: [] } })
    await open('/sign-in')
    expect(await screen.findByText('This hub has no way to sign in with a browser')).toBeInTheDocument()
    expect(screen.queryByLabelText(/^Name/)).not.toBeInTheDocument()
  })
})
