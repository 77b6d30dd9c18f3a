import { screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { describe, expect, it, vi } from 'vitest'
import { RequestError } from '../api/problem'
import { show } from '../testing/render'
import { Failed } from './Failed'
import { bySeverity, Ready, Severity, Status } from './Marks'
import { Partial } from './Partial'

describe('Failed', () => {
  it.each([
    [0, 'The hub does not answer'],
    [403, 'You may not see this'],
    [404, 'It is not there'],
    [429, 'That was too much at once'],
    [503, 'The hub cannot answer now'],
    [500, 'This could not be shown'],
  ])('says what %d means', (status, title) => {
    show(<Failed error={new RequestError(status, undefined)} />)
    expect(screen.getByRole('alert')).toHaveTextContent(title)
    expect(screen.queryByRole('button')).not.toBeInTheDocument()
  })
  it('has the details, the request’s id and another try', async () => {
    const retry = vi.fn()
    const problem = {
      detail: 'No.',
      status: 422,
      title: 'Unprocessable',
      errors: [{ location: 'query.limit', message: 'too many' }],
    }
    show(<Failed error={new RequestError(422, problem, 'ABC')} retry={retry} />)
    const alert = screen.getByRole('alert')
    expect(alert).toHaveTextContent('No.')
    expect(alert).toHaveTextContent('query.limit too many')
    expect(alert).toHaveTextContent('Request ABC')
    await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect(retry).toHaveBeenCalledOnce()
  })
  it('takes any error', () => {
    show(<Failed error="strange" />)
    expect(screen.getByRole('alert')).toHaveTextContent('strange')
  })
})

describe('Partial', () => {
  it('names the cluster that is away', () => {
    show(<Partial errors={[{ clusterName: 'edge-eu', message: 'no answer' }]} />)
    expect(screen.getByRole('status')).toHaveTextContent('edge-eu: no answer')
  })
  it.each([undefined, []])('says nothing of %j', (errors) => {
    show(<Partial errors={errors} />)
    expect(screen.queryByRole('status')).not.toBeInTheDocument()
  })
})

describe('Marks', () => {
  it('have a sign besides the colour', () => {
    const { container } = show(
      <>
        <Severity value="high" />
        <Severity value="" />
        <Status value="resolved" resolution="denied" />
        <Ready state={{ ready: 'False', message: 'does not compile' }} />
        <Ready state={{ ready: 'Unknown' }} />
      </>,
    )
    for (const word of ['high', 'unknown', 'denied', 'not ready', 'not known']) expect(screen.getByText(word)).toBeInTheDocument()
    expect(container.querySelectorAll('svg')).toHaveLength(5)
    expect(screen.getByText('not ready')).toHaveAttribute('title', 'does not compile')
  })
  it('are in the order of how bad they are', () => {
    const values = ['low', '', 'medium', 'high'].map((value) => ({ value }))
    expect(bySeverity(values).map((c) => c.value)).toEqual(['high', 'medium', 'low', ''])
  })
})
