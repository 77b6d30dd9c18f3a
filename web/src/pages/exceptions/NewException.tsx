import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/new/exception')({ component: NewExceptionPage })

function NewExceptionPage() {
  return <Page title="New exception">…</Page>
}
