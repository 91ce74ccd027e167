"""NR link: modulation and coding schemes, block error rates, HARQ, transport blocks, goodput."""
