/** The sub-path that the service says this page stands under (`--root-path`): empty, or as `/hemosight`. */
export const root = document.querySelector<HTMLMetaElement>('meta[name="hemosight-root"]')?.content ?? "";
