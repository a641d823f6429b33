/* Files that go into every page, as the build turned them into numbers. */
#include "report/page.h"

static const unsigned char page_css[] = {
#include "gen/page_css.inc"
};

static const unsigned char page_js[] = {
#include "gen/page_js.inc"
};

static const unsigned char dygraphs_css[] = {
#include "gen/dygraphs_css.inc"
};

static const unsigned char dygraphs_js[] = {
#include "gen/dygraphs_js.inc"
};

static const unsigned char license[] = {
#include "gen/license.inc"
};

const asset asset_page_css = {(const char *)page_css, sizeof page_css};
const asset asset_page_js = {(const char *)page_js, sizeof page_js};
const asset asset_dygraphs_css = {(const char *)dygraphs_css, sizeof dygraphs_css};
const asset asset_dygraphs_js = {(const char *)dygraphs_js, sizeof dygraphs_js};
const asset asset_license = {(const char *)license, sizeof license};
