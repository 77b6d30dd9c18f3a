import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/applications/$kind/$namespace/$name')({ component: ApplicationPage })

function ApplicationPage() {
  return <Page title="Application">…</Page>
}
