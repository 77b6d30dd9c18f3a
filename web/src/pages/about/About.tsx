import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/about')({ component: AboutPage })

function AboutPage() {
  return <Page title="About and health">…</Page>
}
