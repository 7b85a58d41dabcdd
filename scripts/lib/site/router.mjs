/** A plugin of TypeDoc: a page has the address that its front matter names, such as `findings/san-host-not-covered`. */
import { KindRouter } from 'typedoc'

export function load(app) {
  app.renderer.defineRouter(
    'addresses',
    class extends KindRouter {
      getIdealBaseName(reflection) {
        const address = reflection.isDocument() ? reflection.frontmatter.address : undefined
        return address ?? super.getIdealBaseName(reflection)
      }
    },
  )
}
