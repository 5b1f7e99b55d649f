/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "workers/embargo/compare.h"
#include "workers/embargo/identity.h"
#include "workers/embargo/render.h"
#include "workers/embargo/same.h"

struct fixture {
    struct arena *arena;
    Sanctions__ListedParty before, after;
    struct comparison result;
};

static Sanctions__ListedParty a_party(void)
{
    Sanctions__ListedParty p = SANCTIONS__LISTED_PARTY__INIT;

    p.list = "un";
    p.reference = "QMi.901";
    p.internal_id = "900001";
    p.type = SANCTIONS__PARTY_TYPE__PARTY_TYPE_PERSON;
    p.committee = "Invented";
    p.name = "ABU INVENTED";
    p.name_1 = "ABU";
    p.name_2 = "INVENTED";
    return p;
}

static int setup(void **state)
{
    struct fixture *f = mem_new(sizeof *f);

    f->arena = arena_new(RENDER_ARENA);
    f->before = f->after = a_party();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(f->arena);
    mem_free(f);
    return 0;
}

static void compare(struct fixture *f)
{
    compare_parties(&f->result, &f->before, &f->after, f->arena);
}

static void one_change(const struct fixture *f, const char *name, const char *source,
                       Embargo__Weight weight)
{
    assert_int_equal(f->result.n, 1);
    assert_string_equal(f->result.changes[0]->name, name);
    assert_string_equal(f->result.changes[0]->source, source);
    assert_int_equal(f->result.changes[0]->weight, weight);
}

static const Embargo__Weight SUBSTANTIVE = EMBARGO__WEIGHT__WEIGHT_SUBSTANTIVE;
static const Embargo__Weight EDITORIAL = EMBARGO__WEIGHT__WEIGHT_EDITORIAL;

static Sanctions__ListDate a_year(const char *text, int32_t from, int32_t to)
{
    Sanctions__ListDate date = SANCTIONS__LIST_DATE__INIT;

    date.text = text;
    date.from_day = from;
    date.to_day = to;
    date.known = true;
    return date;
}

static Sanctions__Alias an_alias(const char *name, Sanctions__AliasQuality quality)
{
    Sanctions__Alias alias = SANCTIONS__ALIAS__INIT;

    alias.name = name;
    alias.quality = quality;
    return alias;
}

static void equal_parties_have_no_change(void **state)
{
    struct fixture *f = *state;

    compare(f);
    assert_int_equal(f->result.n, 0);
    assert_false(f->result.rekeyed);
}

static void another_internal_id_is_a_rekey_and_no_change(void **state)
{
    struct fixture *f = *state;

    f->after.internal_id = "900002";
    compare(f);
    assert_int_equal(f->result.n, 0);
    assert_true(f->result.rekeyed);
}

static void another_name_is_substantive(void **state)
{
    struct fixture *f = *state;

    f->after.name_2 = "IMAGINED";
    f->after.name = "ABU IMAGINED";
    compare(f);
    one_change(f, "second name", "SECOND_NAME", SUBSTANTIVE);
    assert_string_equal(f->result.changes[0]->before[0], "INVENTED");
    assert_string_equal(f->result.changes[0]->after[0], "IMAGINED");
    assert_true(f->result.substantive);
}

static void letter_case_is_editorial_in_every_script(void **state)
{
    struct fixture *f = *state;

    f->after.name_2 = "Invented";
    f->after.name = "ABU Invented";
    compare(f);
    one_change(f, "second name", "SECOND_NAME", EDITORIAL);
    f->after = a_party();
    f->before.name_original_script = "ИВАНОВ";
    f->after.name_original_script = "Иванов";
    compare(f);
    one_change(f, "name in original script", "NAME_ORIGINAL_SCRIPT", EDITORIAL);
    assert_false(f->result.substantive);
}

static void comments_and_days_of_update_are_editorial(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate day = a_year("2026-01-02", 20455, 20455), *days[] = {&day};

    f->after.comments = "Review concluded.";
    f->after.n_updated_on = 1;
    f->after.updated_on = days;
    compare(f);
    assert_int_equal(f->result.n, 2);
    assert_string_equal(f->result.changes[0]->source, "LAST_DAY_UPDATED");
    assert_string_equal(f->result.changes[1]->source, "COMMENTS1");
    assert_false(f->result.substantive);
}

static void the_order_of_values_is_no_change(void **state)
{
    struct fixture *f = *state;
    const char *ab[] = {"Minister", "Envoy"}, *ba[] = {"Envoy", "Minister"};

    f->before.n_designations = f->after.n_designations = 2;
    f->before.designations = ab;
    f->after.designations = ba;
    compare(f);
    assert_int_equal(f->result.n, 0);
}

static void only_the_values_that_changed_are_shown(void **state)
{
    struct fixture *f = *state;
    const char *old[] = {"Minister", "Envoy"}, *new[] = {"Envoy", "Governor"};

    f->before.n_designations = f->after.n_designations = 2;
    f->before.designations = old;
    f->after.designations = new;
    compare(f);
    one_change(f, "designation", "DESIGNATION", SUBSTANTIVE);
    assert_int_equal(f->result.changes[0]->n_before, 1);
    assert_string_equal(f->result.changes[0]->before[0], "Minister");
    assert_string_equal(f->result.changes[0]->after[0], "Governor");
}

static void what_the_parser_derives_is_no_change(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate a = a_year("1970", 0, 364), b = a_year("1970", 0, 365);
    Sanctions__ListDate *before[] = {&a}, *after[] = {&b};

    f->before.n_birth_dates = f->after.n_birth_dates = 1;
    f->before.birth_dates = before;
    f->after.birth_dates = after;
    f->after.version = "7";
    compare(f);
    assert_int_equal(f->result.n, 0);
}

/* As 102 persons of 2025: an alias that holds nothing but a birth date goes, and the date comes
 * into the block where it belongs. */
static void birth_data_moved_out_of_an_alias_is_editorial(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate year = a_year("1960", -3653, -3288), exact = year;
    Sanctions__Alias shell = an_alias("", 0), good = an_alias("Abu X", 1);
    Sanctions__Alias *old[] = {&good, &shell}, *new[] = {&good};
    Sanctions__ListDate *dates[] = {&exact};

    exact.type = SANCTIONS__DATE_TYPE__DATE_TYPE_EXACT;
    shell.birth_date = &year;
    f->before.n_aliases = 2;
    f->before.aliases = old;
    f->after.n_aliases = 1;
    f->after.aliases = new;
    f->after.n_birth_dates = 1;
    f->after.birth_dates = dates;
    compare(f);
    assert_int_equal(f->result.n, 2);
    assert_string_equal(f->result.changes[0]->source, "INDIVIDUAL_ALIAS");
    assert_string_equal(f->result.changes[1]->source, "INDIVIDUAL_DATE_OF_BIRTH");
    assert_false(f->result.substantive);
}

static void birth_data_that_moved_and_changed_is_substantive(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate year = a_year("1960", -3653, -3288), other = a_year("1961", -3287, -2923);
    Sanctions__Alias shell = an_alias("", 0), *old[] = {&shell};
    Sanctions__ListDate *dates[] = {&other};

    shell.birth_date = &year;
    f->before.n_aliases = 1;
    f->before.aliases = old;
    f->after.n_birth_dates = 1;
    f->after.birth_dates = dates;
    compare(f);
    assert_true(f->result.substantive);
    assert_int_equal(f->result.changes[0]->weight, SUBSTANTIVE);
    assert_int_equal(f->result.changes[1]->weight, SUBSTANTIVE);
}

static void an_alias_that_goes_with_its_birth_data_is_substantive(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate year = a_year("1960", -3653, -3288), *dates[] = {&year};
    Sanctions__Alias named = an_alias("Abu Y", 1), *old[] = {&named};

    named.birth_date = &year;
    f->before.n_aliases = 1;
    f->before.aliases = old;
    f->after.n_birth_dates = 1;
    f->after.birth_dates = dates;
    compare(f);
    assert_int_equal(f->result.changes[0]->weight, SUBSTANTIVE);
    assert_int_equal(f->result.changes[1]->weight, EDITORIAL);
}

static void a_day_that_becomes_approximate_is_substantive(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate exact = a_year("1960", -3653, -3288), about = exact;
    Sanctions__ListDate *before[] = {&exact}, *after[] = {&about};

    exact.type = SANCTIONS__DATE_TYPE__DATE_TYPE_EXACT;
    about.type = SANCTIONS__DATE_TYPE__DATE_TYPE_APPROXIMATE;
    f->before.n_birth_dates = f->after.n_birth_dates = 1;
    f->before.birth_dates = before;
    f->after.birth_dates = after;
    compare(f);
    one_change(f, "date of birth", "INDIVIDUAL_DATE_OF_BIRTH", SUBSTANTIVE);
    assert_string_equal(f->result.changes[0]->after[0], "about 1960");
}

static void values_that_read_alike_are_shown_by_their_parts(void **state)
{
    struct fixture *f = *state;
    Sanctions__Place city = SANCTIONS__PLACE__INIT, state_ = SANCTIONS__PLACE__INIT;
    Sanctions__Place *before[] = {&city}, *after[] = {&state_};

    city.city = "Elsewhere";
    state_.state_province = "Elsewhere";
    f->before.type = f->after.type = SANCTIONS__PARTY_TYPE__PARTY_TYPE_ENTITY;
    f->before.n_addresses = f->after.n_addresses = 1;
    f->before.addresses = before;
    f->after.addresses = after;
    compare(f);
    one_change(f, "address", "ENTITY_ADDRESS", SUBSTANTIVE);
    assert_string_equal(f->result.changes[0]->before[0], "city: Elsewhere; ");
    assert_string_equal(f->result.changes[0]->after[0], "state_province: Elsewhere; ");
}

static void long_values_are_cut_between_characters(void **state)
{
    struct fixture *f = *state;
    size_t size = 200 * 1024;
    char *text = mem_new(size + 2);

    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "ж", 2);
    f->after.comments = text;
    compare(f);
    one_change(f, "comments", "COMMENTS1", EDITORIAL);
    assert_true(strlen(f->result.changes[0]->after[0]) < VALUE_MOST + 64);
    assert_true(strlen(f->result.changes[0]->after[0]) % 2 ==
                strlen(" [cut; the feed has it whole]") % 2);
    mem_free(text);
}

/* ---- identity ---- */

static void born(Sanctions__ListedParty *p, Sanctions__ListDate **date)
{
    p->n_birth_dates = 1;
    p->birth_dates = date;
}

static void a_party_with_other_names_and_other_birth_is_somebody_else(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate a = a_year("1960", -3653, -3288), b = a_year("1985", 5479, 5843);
    Sanctions__ListDate *before[] = {&a}, *after[] = {&b};

    born(&f->before, before);
    born(&f->after, after);
    assert_false(identity_doubtful(&f->before, &f->after, f->arena)); /* the name is the same */
    f->after.name = "SOMEBODY ELSE";
    assert_true(identity_doubtful(&f->before, &f->after, f->arena));
    born(&f->after, before);
    assert_false(identity_doubtful(&f->before, &f->after, f->arena)); /* the birth is the same */
    f->after.n_birth_dates = 0;
    assert_false(identity_doubtful(&f->before, &f->after, f->arena)); /* names alone */
    f->after.type = SANCTIONS__PARTY_TYPE__PARTY_TYPE_ENTITY;
    assert_true(identity_doubtful(&f->before, &f->after, f->arena)); /* and the type */
}

static void a_name_is_known_by_letters_folded_and_by_its_aliases(void **state)
{
    struct fixture *f = *state;
    Sanctions__ListDate a = a_year("1960", -3653, -3288), b = a_year("1985", 5479, 5843);
    Sanctions__ListDate *before[] = {&a}, *after[] = {&b};
    Sanctions__Alias alias = an_alias("Gédéon Mus’ab", 1), *aliases[] = {&alias};

    born(&f->before, before);
    born(&f->after, after);
    f->before.n_aliases = 1;
    f->before.aliases = aliases;
    f->after.name = "MUS'AB, GEDEON";
    assert_false(identity_doubtful(&f->before, &f->after, f->arena));
    f->after.name = "GEDEON SOMEBODY"; /* one word of two is not enough */
    assert_true(identity_doubtful(&f->before, &f->after, f->arena));
}

static void a_field_is_the_same_as_its_copy_and_not_as_another(void **state)
{
    struct fixture *f = *state;
    Sanctions__Alias one = SANCTIONS__ALIAS__INIT, other = SANCTIONS__ALIAS__INIT;
    Sanctions__ListDate day = SANCTIONS__LIST_DATE__INIT, next = SANCTIONS__LIST_DATE__INIT;
    Sanctions__Alias *ones[] = {&one}, *others[] = {&other};
    Sanctions__ListDate *days[] = {&day}, *nexts[] = {&next};
    const char *titles[] = {"Dr", "Prof"}, *turned[] = {"Prof", "Dr"};
    const ProtobufCMessageDescriptor *type = f->before.base.descriptor;

    one.birth_date = other.birth_date = &day;
    f->before.aliases = ones, f->before.n_aliases = 1;
    f->before.birth_dates = days, f->before.n_birth_dates = 1;
    f->before.titles = titles, f->before.n_titles = 2;
    f->after = f->before;
    f->after.aliases = others;
    for (unsigned i = 0; i < type->n_fields; i++)
        assert_true(same_field(&f->before.base, &f->after.base, &type->fields[i]));
    day.text = "1970";
    next.from_day = 1;
    other.birth_date = NULL;
    f->after.birth_dates = nexts;
    f->after.titles = turned;
    f->after.type = SANCTIONS__PARTY_TYPE__PARTY_TYPE_ENTITY;
    f->after.name_1 = "ABBA";
    static const char *const changed[] = {"aliases", "birth_dates", "titles", "type", "name_1"};
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        assert_false(same_field(&f->before.base, &f->after.base,
                                protobuf_c_message_descriptor_get_field_by_name(type, changed[i])));
    f->after.n_titles = 1;
    f->after.titles = titles;
    assert_false(same_field(&f->before.base, &f->after.base,
                            protobuf_c_message_descriptor_get_field_by_name(type, "titles")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(equal_parties_have_no_change),
        TEST(another_internal_id_is_a_rekey_and_no_change),
        TEST(another_name_is_substantive),
        TEST(letter_case_is_editorial_in_every_script),
        TEST(comments_and_days_of_update_are_editorial),
        TEST(the_order_of_values_is_no_change),
        TEST(only_the_values_that_changed_are_shown),
        TEST(what_the_parser_derives_is_no_change),
        TEST(birth_data_moved_out_of_an_alias_is_editorial),
        TEST(birth_data_that_moved_and_changed_is_substantive),
        TEST(an_alias_that_goes_with_its_birth_data_is_substantive),
        TEST(a_day_that_becomes_approximate_is_substantive),
        TEST(values_that_read_alike_are_shown_by_their_parts),
        TEST(long_values_are_cut_between_characters),
        TEST(a_party_with_other_names_and_other_birth_is_somebody_else),
        TEST(a_field_is_the_same_as_its_copy_and_not_as_another),
        TEST(a_name_is_known_by_letters_folded_and_by_its_aliases),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
