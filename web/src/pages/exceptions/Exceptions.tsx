import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/exceptions')({ component: ExceptionsPage })

function ExceptionsPage() {
  return <Page title="Exceptions">…</Page>
}
